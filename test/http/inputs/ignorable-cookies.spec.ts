import { describe, expect, test } from '@jest/globals';
import { isIgnorable } from '../../../lib/http/inputs/ignorable-cookies.js';

describe('A cookie', () => {
  test.each([
    '_ga',
    '_ga_6JNZ20YN8W',
    '_gcl_au',
    '_fbp',
    '_hjSessionUser_123456',
    '_pk_id.1.1fff',
    'mp_0123456789abcdef0123456789abcdef_mixpanel',
    '__cf_bm',
    'AWSALBCORS',
    'AWSALBAPP-0',
    'ARRAffinity',
    'BIGipServerpool_web',
    'visid_incap_1234567',
  ])('%s of analytics or a load balancer is ignored', (name) => {
    expect(isIgnorable(name)).toBe(true);
  });

  test.each([
    'sid',
    'connect.sid',
    'session',
    'theme',
    'lang',
    'user_ga',
    'ga_',
    '_GA',
    'mp_session',
    'amp_user',
    'AMP_TOKEN',
    'ph_phc_key_posthog',
    'optimizelyEndUserId',
    'ajs_user_id',
    'OptanonConsent',
    'CookieConsent',
    'euconsent-v2',
    'cookieyes-consent',
    'mtm_consent',
    '_hp3_',
    '',
    '__proto__',
  ])('%s that a server may render by is not', (name) => {
    expect(isIgnorable(name)).toBe(false);
  });

  test('with a name of 64 kB is not, whatever it begins with', () => {
    expect(isIgnorable(`_ga_${'a'.repeat(65_536)}`)).toBe(false);
  });
});

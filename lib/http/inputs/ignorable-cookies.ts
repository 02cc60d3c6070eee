/** Cookies of one product on which servers do not base answers. */
interface IgnorableCookies {
  readonly of: string;
  readonly names?: readonly string[];
  readonly prefixes?: readonly string[];
  /** For names that contain an account id, where a prefix alone would match cookies of applications. */
  readonly shapes?: readonly RegExp[];
}

/**
 * Cookies that analytics scripts set in the browser, and cookies with which load balancers and CDNs choose a server or detect bots.
 *
 * Left out, because servers may base answers on them or identify users by them: consent, A/B tests and feature flags (Optimizely, VWO,
 * Adobe Target, PostHog), identified users (`ajs_user_id`, `intercom-*`), and names that an application may use.
 */
const table: readonly IgnorableCookies[] = [
  {
    of: 'Google Analytics, Tag Manager and Ads',
    names: [
      '_ga',
      '_gat',
      '_gid',
      '__utma',
      '__utmb',
      '__utmc',
      '__utmt',
      '__utmv',
      '__utmz',
      'FPID',
      'FPLC',
      'FPAU',
    ],
    prefixes: ['_ga_', '_gac_', '_gat_', '_gcl_', '_dc_gtm_'],
  },
  { of: 'Meta', names: ['_fbc', '_fbp'] },
  { of: 'Microsoft Advertising and Clarity', names: ['_clck', '_clsk', '_uetmsclkid', '_uetsid', '_uetvid'] },
  { of: 'TikTok', names: ['_ttp', 'ttclid', 'ttcsid'], prefixes: ['ttcsid_'] },
  { of: 'Pinterest', names: ['_derived_epik', '_epik', '_pin_unauth'] },
  { of: 'Snapchat', names: ['_scid', '_scid_r'] },
  { of: 'LinkedIn', names: ['li_fat_id'] },
  { of: 'Reddit', names: ['_rdt_uuid'] },
  { of: 'X', names: ['_twpid'] },
  { of: 'Hotjar', prefixes: ['_hj'] },
  { of: 'Matomo', prefixes: ['_pk_id.', '_pk_ref.', '_pk_ses.', '_pk_cvar.', '_pk_hsr.'] },
  { of: 'Yandex Metrica', prefixes: ['_ym_'] },
  { of: 'Heap', prefixes: ['_hp2_', '_hp5_'] },
  { of: 'HubSpot', names: ['__hssc', '__hssrc', '__hstc', 'hubspotutk'] },
  { of: 'Segment', names: ['ajs_anonymous_id'] },
  {
    of: 'Amplitude',
    names: ['AMP_TEST', 'AMP_TLDTEST'],
    shapes: [/^amp_[0-9a-f]{6}$/, /^AMP_(?:MKTG_)?[0-9a-f]{10}$/],
  },
  { of: 'Mixpanel', shapes: [/^mp_[0-9a-f]{32}_mixpanel$/] },
  {
    of: 'Adobe Analytics',
    names: ['s_cc', 's_ecid', 's_fid', 's_sq', 's_vi'],
    prefixes: ['AMCV_', 'AMCVS_'],
  },
  { of: 'Chartbeat', names: ['_cb', '_cb_svref', '_chartbeat2'] },
  { of: 'Parse.ly', names: ['_parsely_session', '_parsely_visitor'] },
  { of: 'Quantcast and Comscore', names: ['__qca', '_scor_uid'] },
  { of: 'Datadog', names: ['_dd_s'], prefixes: ['dd_cookie_test_'] },
  { of: 'Dynatrace', names: ['dtCookie', 'dtLatC', 'dtPC', 'dtSa', 'rxVisitor', 'rxvt'] },
  { of: 'Cloudflare', names: ['__cf_bm', '__cfduid', '__cflb', '__cfruid', '_cfuvid', 'cf_clearance'] },
  {
    of: 'AWS load balancers',
    names: ['AWSALB', 'AWSALBCORS', 'AWSALBTG', 'AWSALBTGCORS', 'AWSELB', 'AWSELBCORS'],
    prefixes: ['AWSALBAPP-'],
  },
  {
    of: 'Azure App Service, Application Gateway and Front Door',
    names: [
      'ARRAffinity',
      'ARRAffinitySameSite',
      'ApplicationGatewayAffinity',
      'ApplicationGatewayAffinityCORS',
      'ASLBSA',
      'ASLBSACORS',
    ],
  },
  { of: 'Google Cloud load balancing', names: ['GCLB'] },
  { of: 'Heroku', names: ['heroku-session-affinity'] },
  { of: 'F5 BIG-IP', prefixes: ['BIGipServer'] },
  { of: 'Citrix ADC', names: ['citrix_ns_id'], prefixes: ['NSC_'] },
  { of: 'ingress-nginx', names: ['INGRESSCOOKIE'] },
  { of: 'Imperva', prefixes: ['incap_ses_', 'nlbi_', 'visid_incap_'] },
  { of: 'Akamai', names: ['_abck', 'ak_bmsc', 'bm_mi', 'bm_sv', 'bm_sz'] },
];

const names = new Set(table.flatMap((row) => row.names ?? []));
const prefixes = table.flatMap((row) => row.prefixes ?? []);
const shapes = table.flatMap((row) => row.shapes ?? []);

/** Longer than any name of the table: limits the work for a name that a client has invented. */
const MAX_LENGTH = 256;

/**
 * True if requests with this cookie are served from the cache, unless `ignoreCookies` excludes it.
 *
 * @param name as the client sent it: names of cookies are case-sensitive
 */
export function isIgnorable(name: string): boolean {
  if (name.length > MAX_LENGTH) return false;
  if (names.has(name)) return true;
  return prefixes.some((prefix) => name.startsWith(prefix)) || shapes.some((shape) => shape.test(name));
}

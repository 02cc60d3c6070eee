import { DEPLOYMENT_VARIABLES } from '../../lib/module/application.js';

// Keys hold what the platform says of a deployment: here it is the same wherever the tests run.
for (const name of DEPLOYMENT_VARIABLES) delete process.env[name];
process.env['GIT_SHA'] = 'tests';

/**
 * Keeps this process away from AWS, whatever the user's environment and profile say. Imported before anything that could create
 * an AWS client: profiles, endpoints and credentials are read from the environment when a client is made.
 */
for (const name of Object.keys(process.env)) {
  if (name.startsWith('AWS_') && name !== 'AWS_CA_BUNDLE') delete process.env[name];
}
Object.assign(process.env, {
  AWS_CONFIG_FILE: '/dev/null',
  AWS_SHARED_CREDENTIALS_FILE: '/dev/null',
  AWS_EC2_METADATA_DISABLED: 'true',
  // The SDK's advice to upgrade Node.js is for those who write programs, not for those who build an app.
  AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED: 'true',
});

export {};

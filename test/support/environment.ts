// On Node.js 20 the AWS SDK advises to upgrade, once for each test file.
process.env.AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED = 'true';

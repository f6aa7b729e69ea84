//! Flows through a browser: redirect to the provider, callback, token (auth-and-proxy.md, 5 and 6.1).

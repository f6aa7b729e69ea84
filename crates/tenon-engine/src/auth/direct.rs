//! Flows without a browser redirect: somebody posts credentials (auth-and-proxy.md, 3.5).

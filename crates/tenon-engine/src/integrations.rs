//! Integrations: a provider configured in an environment.

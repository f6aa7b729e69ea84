//! Environments, their keys and webhook settings.

//! Outgoing webhooks: a row before a request, retried for days.

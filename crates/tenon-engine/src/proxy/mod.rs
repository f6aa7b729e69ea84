//! Requests to external APIs with the credentials of a connection.

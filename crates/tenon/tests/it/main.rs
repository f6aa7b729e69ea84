//! The command line, tested as people use it: the binary, a folder, a server.

mod fake_server;
mod project;

mod compile;
mod deploy;
mod replay;
mod watch;

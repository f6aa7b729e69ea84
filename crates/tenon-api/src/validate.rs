//! Strict checks of what comes in, with the issue codes and paths of zod 4 (auth-and-proxy.md, 1.3).
//!
//! ```ignore
//! let input = body.input();
//! let object = input.object();
//! let key = object.required("unique_key").text().min(1).max(255).take();
//! let flag = object.optional("forward_webhooks").flag();
//! object.strict();
//! input.finish()?; // 400 with all issues, in the order of the checks
//! ```
//!
//! Every check goes on after an issue, so that a caller sees all of them; values of failed checks are defaults, and
//! [`Input::finish`] keeps them from being used.

mod input;
mod text;

pub use input::{Field, Input, Items, Object};
pub use text::{Text, is_email, is_uuid, is_web_url};

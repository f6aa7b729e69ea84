//! The provider catalogue: what each external API needs to be connected and called.
//!
//! A provider is data (docs/reference/provider-schema.md): the entries in `/providers` are part of the binary, an
//! operator's own file may add entries or replace ours. [`template`] is the small language inside that data.

mod catalogue;
mod exchange;
mod field;
pub mod lint;
mod load;
mod near;
mod provider;
mod proxy;
mod revocation;
mod schema;
mod sigv4;
pub mod template;
mod two_step;
pub mod webhook;

pub use catalogue::{Catalogue, Source};
pub use exchange::{
    AnswerCheck, Choice, ClientProof, Companion, ExchangeStep, HookCall, Introspection, Pick,
    RenewedBy, TokenAnswer, TokenExchange,
};
pub use field::{Field, FieldFormat, Fields, VisibleWhen};
pub use load::LoadError;
pub use near::nearest;
pub use provider::{
    AuthorizationMethod, BodyFormat, ClientRegistration, DeviceAuthorizationMethod, Provider,
    TokenRequestAuthMethod, TokenRequestMethod, TokenUrl,
};
pub use proxy::{
    InBody, OffsetCalculation, Paginate, PaginationType, ProxySettings, Retry, RetryStrategy,
    Verification,
};
pub use revocation::{
    GoneWhen, Revocation, RevocationBody, RevocationClient, RevocationMethod, RevokedToken,
    SuccessWhen,
};
pub use schema::SCHEMA;
pub use sigv4::{AwsCredentials, SigV4, SignedBody};
pub use two_step::{
    Assertion, AssertionType, ExpirationStrategy, HmacSecretEncoding, JwtToken, Signature,
    SignatureProtocol, TokenResponse, TokenStep,
};
pub use webhook::WebhookRouting;

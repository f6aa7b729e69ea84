//! The keys of the configuration: their names, their variables, what they are unless somebody says otherwise.

/// One key of the configuration.
pub(super) struct Key {
    pub(super) name: &'static str,
    /// Ours first, then the names that migrators bring.
    pub(super) variables: &'static [&'static str],
    pub(super) default: Option<&'static str>,
    pub(super) secret: bool,
}

pub(super) const KEYS: &[Key] = &[
    Key {
        name: "data_dir",
        variables: &["TENON_DATA_DIR"],
        default: Some(".tenon"),
        secret: false,
    },
    Key {
        name: "host",
        variables: &["TENON_HOST"],
        default: Some("127.0.0.1"),
        secret: false,
    },
    Key {
        name: "port",
        variables: &["TENON_PORT", "NANGO_PORT", "SERVER_PORT"],
        default: Some("3003"),
        secret: false,
    },
    Key {
        name: "public_url",
        variables: &["TENON_PUBLIC_URL", "NANGO_SERVER_URL"],
        default: None,
        secret: false,
    },
    Key {
        name: "connect_port",
        variables: &["TENON_CONNECT_PORT", "NANGO_CONNECT_UI_PORT"],
        default: Some("3009"),
        secret: false,
    },
    Key {
        name: "connect_url",
        variables: &["TENON_CONNECT_URL", "NANGO_PUBLIC_CONNECT_URL"],
        default: None,
        secret: false,
    },
    Key {
        name: "connect_texts",
        variables: &["TENON_CONNECT_TEXTS"],
        default: None,
        secret: false,
    },
    Key {
        name: "connect_api_url",
        variables: &["TENON_CONNECT_API_URL"],
        default: Some(""),
        secret: false,
    },
    Key {
        name: "database_url",
        variables: &["TENON_DATABASE_URL", "NANGO_DATABASE_URL"],
        default: None,
        secret: true,
    },
    Key {
        name: "encryption_key",
        variables: &["TENON_ENCRYPTION_KEY", "NANGO_ENCRYPTION_KEY"],
        default: None,
        secret: true,
    },
    Key {
        name: "encryption_key_file",
        variables: &["TENON_ENCRYPTION_KEY_FILE"],
        default: None,
        secret: false,
    },
    Key {
        name: "encryption_key_command",
        variables: &["TENON_ENCRYPTION_KEY_COMMAND"],
        default: None,
        secret: true,
    },
    Key {
        name: "vault_key",
        variables: &["TENON_VAULT_KEY"],
        default: None,
        secret: false,
    },
    Key {
        name: "vault_url",
        variables: &["TENON_VAULT_URL", "VAULT_ADDR"],
        default: None,
        secret: false,
    },
    Key {
        name: "vault_token",
        variables: &["TENON_VAULT_TOKEN", "VAULT_TOKEN"],
        default: None,
        secret: true,
    },
    Key {
        name: "vault_mount",
        variables: &["TENON_VAULT_MOUNT"],
        default: Some("transit"),
        secret: false,
    },
    Key {
        name: "vault_namespace",
        variables: &["TENON_VAULT_NAMESPACE", "VAULT_NAMESPACE"],
        default: None,
        secret: false,
    },
    Key {
        name: "aws_kms_key",
        variables: &["TENON_AWS_KMS_KEY"],
        default: None,
        secret: false,
    },
    Key {
        name: "aws_kms_url",
        variables: &["TENON_AWS_KMS_URL"],
        default: None,
        secret: false,
    },
    Key {
        name: "aws_region",
        variables: &["TENON_AWS_REGION", "AWS_REGION", "AWS_DEFAULT_REGION"],
        default: None,
        secret: false,
    },
    Key {
        name: "aws_access_key_id",
        variables: &["TENON_AWS_ACCESS_KEY_ID", "AWS_ACCESS_KEY_ID"],
        default: None,
        secret: false,
    },
    Key {
        name: "aws_secret_access_key",
        variables: &["TENON_AWS_SECRET_ACCESS_KEY", "AWS_SECRET_ACCESS_KEY"],
        default: None,
        secret: true,
    },
    Key {
        name: "aws_session_token",
        variables: &["TENON_AWS_SESSION_TOKEN", "AWS_SESSION_TOKEN"],
        default: None,
        secret: true,
    },
    Key {
        name: "previous_encryption_keys",
        variables: &["TENON_PREVIOUS_ENCRYPTION_KEYS"],
        default: Some(""),
        secret: true,
    },
    Key {
        name: "providers",
        variables: &["TENON_PROVIDERS"],
        default: Some(""),
        secret: false,
    },
    Key {
        name: "allow_egress",
        variables: &["TENON_ALLOW_EGRESS"],
        default: Some(""),
        secret: false,
    },
    Key {
        name: "rate_limit",
        variables: &["TENON_RATE_LIMIT"],
        default: None,
        secret: false,
    },
    Key {
        name: "webhook_rate_limit",
        variables: &["TENON_WEBHOOK_RATE_LIMIT"],
        default: None,
        secret: false,
    },
    Key {
        name: "demo",
        variables: &["TENON_DEMO"],
        default: Some("true"),
        secret: false,
    },
    Key {
        name: "workers",
        variables: &["TENON_WORKERS"],
        default: Some("2"),
        secret: false,
    },
    Key {
        name: "log",
        variables: &["TENON_LOG", "LOG_LEVEL"],
        default: Some("info"),
        secret: false,
    },
    Key {
        name: "log_format",
        variables: &["TENON_LOG_FORMAT"],
        default: Some("text"),
        secret: false,
    },
    Key {
        name: "node",
        variables: &["TENON_NODE"],
        default: None,
        secret: false,
    },
];

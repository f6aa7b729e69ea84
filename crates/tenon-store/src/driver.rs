//! Values that go in and come out, the same for both databases.

use bytes::Bytes;

/// A parameter. A null has a type too: Postgres wants to know it.
#[derive(Clone, Debug)]
pub enum Param {
    Int(Option<i64>),
    Real(Option<f64>),
    Bool(Option<bool>),
    Text(Option<String>),
    Bytes(Option<Bytes>),
    /// Arrays exist on Postgres only (`UNNEST`).
    IntArray(Vec<Option<i64>>),
    TextArray(Vec<Option<String>>),
    BytesArray(Vec<Option<Bytes>>),
    BoolArray(Vec<bool>),
}

macro_rules! param_from {
    ($($type:ty => |$value:ident| $variant:ident($convert:expr);)*) => {$(
        impl From<$type> for Param {
            fn from($value: $type) -> Self {
                Self::$variant(Some($convert))
            }
        }

        impl From<Option<$type>> for Param {
            fn from(value: Option<$type>) -> Self {
                Self::$variant(value.map(|$value| $convert))
            }
        }
    )*};
}

param_from! {
    i64 => |value| Int(value);
    f64 => |value| Real(value);
    bool => |value| Bool(value);
    String => |value| Text(value);
    &str => |value| Text(value.to_owned());
    &String => |value| Text(value.clone());
    Vec<u8> => |value| Bytes(Bytes::from(value));
    Bytes => |value| Bytes(value);
    tenon_core::Timestamp => |value| Int(value.micros());
    tenon_core::names::EnvironmentPk => |value| Int(value.0);
    tenon_core::names::IntegrationPk => |value| Int(value.0);
    tenon_core::names::ConnectionPk => |value| Int(value.0);
    tenon_core::names::ConnectSessionPk => |value| Int(value.0);
    tenon_core::names::FunctionPk => |value| Int(value.0);
    tenon_core::names::SyncPk => |value| Int(value.0);
    tenon_core::names::SchedulePk => |value| Int(value.0);
    tenon_core::names::TaskPk => |value| Int(value.0);
    tenon_core::names::RunPk => |value| Int(value.0);
}

/// Builds a parameter list: `params![key, now, None::<String>]`.
#[macro_export]
macro_rules! params {
    ($($value:expr),* $(,)?) => {
        &[$($crate::Param::from($value)),*]
    };
}

/// A value of a result row.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    Null,
    Int(i64),
    Real(f64),
    Bool(bool),
    Text(String),
    Bytes(Bytes),
}

/// A result row.
#[derive(Clone, Debug)]
pub struct Row {
    statement: &'static str,
    values: Vec<Value>,
}

impl Row {
    pub(crate) const fn new(statement: &'static str, values: Vec<Value>) -> Self {
        Self { statement, values }
    }

    /// Number of columns.
    pub fn len(&self) -> usize {
        self.values.len()
    }

    /// Whether there is no column.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// The value of a column, by position from 0.
    pub fn get<T: FromValue>(&self, column: usize) -> Result<T, crate::StoreError> {
        self.values
            .get(column)
            .and_then(|value| T::from_value(value))
            .ok_or(crate::StoreError::Column {
                statement: self.statement,
                column,
            })
    }
}

/// Types that a column can be read as.
pub trait FromValue: Sized {
    /// `None` if the value has another type.
    fn from_value(value: &Value) -> Option<Self>;
}

impl FromValue for i64 {
    fn from_value(value: &Value) -> Option<Self> {
        match value {
            Value::Int(int) => Some(*int),
            _ => None,
        }
    }
}

impl FromValue for f64 {
    fn from_value(value: &Value) -> Option<Self> {
        match value {
            Value::Real(real) => Some(*real),
            _ => None,
        }
    }
}

impl FromValue for bool {
    fn from_value(value: &Value) -> Option<Self> {
        match value {
            Value::Bool(flag) => Some(*flag),
            // SQLite has no booleans of its own.
            Value::Int(int) => Some(*int != 0),
            _ => None,
        }
    }
}

impl FromValue for String {
    fn from_value(value: &Value) -> Option<Self> {
        match value {
            Value::Text(text) => Some(text.clone()),
            _ => None,
        }
    }
}

impl FromValue for Bytes {
    fn from_value(value: &Value) -> Option<Self> {
        match value {
            Value::Bytes(bytes) => Some(bytes.clone()),
            _ => None,
        }
    }
}

impl FromValue for tenon_core::Timestamp {
    fn from_value(value: &Value) -> Option<Self> {
        i64::from_value(value).map(Self::from_micros)
    }
}

macro_rules! pk_from_value {
    ($($name:ident),*) => {$(
        impl FromValue for tenon_core::names::$name {
            fn from_value(value: &Value) -> Option<Self> {
                i64::from_value(value).map(Self)
            }
        }
    )*};
}

pk_from_value!(
    EnvironmentPk,
    IntegrationPk,
    ConnectionPk,
    ConnectSessionPk,
    FunctionPk,
    SyncPk,
    SchedulePk,
    TaskPk,
    RunPk
);

impl<T: FromValue> FromValue for Option<T> {
    fn from_value(value: &Value) -> Option<Self> {
        match value {
            Value::Null => Some(None),
            value => T::from_value(value).map(Some),
        }
    }
}

//! Parameters to Postgres, columns from Postgres.

use std::{borrow::Cow, error::Error};

use bytes::{Bytes, BytesMut};
use tokio_postgres::types::{FromSql, IsNull, ToSql, Type, to_sql_checked};

use super::error_of;
use crate::{Param, Row, Statement, StoreError, Value};

type Failure = Box<dyn Error + Sync + Send>;

/// Parameters with their types: the statements have no name, so the server is told here.
pub(super) fn typed(params: &[Param]) -> Vec<(&(dyn ToSql + Sync), Type)> {
    params
        .iter()
        .map(|param| (param as &(dyn ToSql + Sync), type_of(param)))
        .collect()
}

const fn type_of(param: &Param) -> Type {
    match param {
        Param::Int(_) => Type::INT8,
        Param::Real(_) => Type::FLOAT8,
        Param::Bool(_) => Type::BOOL,
        Param::Text(_) => Type::TEXT,
        Param::Bytes(_) => Type::BYTEA,
        Param::IntArray(_) => Type::INT8_ARRAY,
        Param::TextArray(_) => Type::TEXT_ARRAY,
        Param::BytesArray(_) => Type::BYTEA_ARRAY,
        Param::BoolArray(_) => Type::BOOL_ARRAY,
    }
}

/// Postgres refuses the NUL character in text, which only hostile input holds. It stands as U+FFFD there, in stored texts
/// and in look-ups alike, so that they still meet.
fn storable(text: &str) -> Cow<'_, str> {
    if text.contains('\0') {
        Cow::Owned(text.replace('\0', "\u{fffd}"))
    } else {
        Cow::Borrowed(text)
    }
}

impl ToSql for Param {
    fn to_sql(&self, kind: &Type, out: &mut BytesMut) -> Result<IsNull, Failure> {
        match self {
            Self::Int(value) => value.to_sql(kind, out),
            Self::Real(value) => value.to_sql(kind, out),
            Self::Bool(value) => value.to_sql(kind, out),
            Self::Text(value) => value.as_deref().map(storable).to_sql(kind, out),
            Self::Bytes(value) => value.as_deref().to_sql(kind, out),
            Self::IntArray(values) => values.to_sql(kind, out),
            Self::TextArray(values) => {
                let texts: Vec<Option<Cow<'_, str>>> = values
                    .iter()
                    .map(|text| text.as_deref().map(storable))
                    .collect();
                texts.to_sql(kind, out)
            }
            Self::BytesArray(values) => {
                let slices: Vec<Option<&[u8]>> =
                    values.iter().map(|value| value.as_deref()).collect();
                slices.to_sql(kind, out)
            }
            Self::BoolArray(values) => values.to_sql(kind, out),
        }
    }

    fn accepts(_: &Type) -> bool {
        // The types are ours, from `typed`.
        true
    }

    to_sql_checked!();
}

/// Rows as both databases give them.
pub(super) fn rows(
    statement: &'static Statement,
    rows: Result<Vec<tokio_postgres::Row>, tokio_postgres::Error>,
) -> Result<Vec<Row>, StoreError> {
    let rows = rows.map_err(|error| error_of(statement.name, &error))?;
    let mut found = Vec::with_capacity(rows.len());
    for row in rows {
        let mut values = Vec::with_capacity(row.len());
        for column in 0..row.len() {
            let value = row.try_get::<_, Option<Value>>(column);
            let value = value.map_err(|_| StoreError::Column {
                statement: statement.name,
                column,
            })?;
            values.push(value.unwrap_or(Value::Null));
        }
        found.push(Row::new(statement.name, values));
    }
    Ok(found)
}

impl<'a> FromSql<'a> for Value {
    fn from_sql(kind: &Type, raw: &'a [u8]) -> Result<Self, Failure> {
        Ok(match *kind {
            Type::BOOL => Self::Bool(bool::from_sql(kind, raw)?),
            Type::INT2 => Self::Int(i16::from_sql(kind, raw)?.into()),
            Type::INT4 => Self::Int(i32::from_sql(kind, raw)?.into()),
            Type::INT8 => Self::Int(i64::from_sql(kind, raw)?),
            Type::FLOAT4 => Self::Real(f32::from_sql(kind, raw)?.into()),
            Type::FLOAT8 => Self::Real(f64::from_sql(kind, raw)?),
            // What `SUM` makes of integers.
            Type::NUMERIC => Self::Int(whole_number(raw).ok_or("this number is not whole")?),
            Type::BYTEA => Self::Bytes(Bytes::copy_from_slice(raw)),
            _ => Self::Text(std::str::from_utf8(raw)?.to_owned()),
        })
    }

    fn accepts(kind: &Type) -> bool {
        let known = [
            Type::BOOL,
            Type::INT2,
            Type::INT4,
            Type::INT8,
            Type::FLOAT4,
            Type::FLOAT8,
            Type::NUMERIC,
            Type::BYTEA,
            Type::TEXT,
            Type::VARCHAR,
            Type::BPCHAR,
            Type::NAME,
            Type::UNKNOWN,
        ];
        known.contains(kind)
    }
}

/// A `NUMERIC` without fraction: digits of base 10,000, then a weight.
fn whole_number(raw: &[u8]) -> Option<i64> {
    let mut words = raw
        .chunks_exact(2)
        .map(|pair| i16::from_be_bytes([pair[0], pair[1]]));
    let (digits, weight, sign, _scale) =
        (words.next()?, words.next()?, words.next()?, words.next()?);
    if digits > weight + 1 {
        return None;
    }
    let mut number: i64 = 0;
    for _ in 0..=weight.max(-1) {
        let digit = words.next().unwrap_or(0);
        number = number.checked_mul(10_000)?.checked_add(digit.into())?;
    }
    match sign {
        0 => Some(number),
        0x4000 => Some(-number),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::whole_number;

    fn numeric(words: &[i16]) -> Vec<u8> {
        words.iter().flat_map(|word| word.to_be_bytes()).collect()
    }

    #[test]
    fn sums_are_read_as_integers() {
        let cases = [
            (numeric(&[0, 0, 0, 0]), Some(0)),
            (numeric(&[1, 0, 0, 0, 7]), Some(7)),
            (numeric(&[2, 1, 0, 0, 12, 3456]), Some(123_456)),
            (numeric(&[1, 2, 0x4000, 0, 5]), Some(-500_000_000)),
            (numeric(&[1, -1, 0, 1, 5000]), None),
        ];
        for (raw, expected) in cases {
            assert_eq!(whole_number(&raw), expected);
        }
    }
}

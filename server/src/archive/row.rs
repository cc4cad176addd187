//! A statement with its values, and a row that comes back: what both homes have in common.
//!
//! A statement numbers its values `$1`, `$2` … in the order of their first use, because SQLite
//! counts names in that order.

use std::borrow::Cow;

use super::Fault;

/// A value in or out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Value {
    /// TEXT.
    Text(String),
    /// BIGINT.
    Whole(i64),
}

/// A statement and its values.
#[derive(Debug, Clone)]
pub(super) struct Statement {
    pub(super) text: &'static str,
    pub(super) values: Vec<Value>,
}

impl Statement {
    pub(super) const fn new(text: &'static str) -> Self {
        Self {
            text,
            values: Vec::new(),
        }
    }

    pub(super) fn text<'a>(mut self, value: impl Into<Cow<'a, str>>) -> Self {
        self.values.push(Value::Text(value.into().into_owned()));
        self
    }

    pub(super) fn whole(mut self, value: i64) -> Self {
        self.values.push(Value::Whole(value));
        self
    }
}

/// A row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Row(pub(super) Vec<Value>);

impl Row {
    pub(super) fn text(&self, at: usize) -> Result<&str, Fault> {
        match self.0.get(at) {
            Some(Value::Text(text)) => Ok(text),
            other => Err(unexpected(other)),
        }
    }

    pub(super) fn whole(&self, at: usize) -> Result<i64, Fault> {
        match self.0.get(at) {
            Some(Value::Whole(number)) => Ok(*number),
            other => Err(unexpected(other)),
        }
    }
}

fn unexpected(value: Option<&Value>) -> Fault {
    Fault::Schema(format!("a column holds {value:?}"))
}

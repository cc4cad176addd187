//! Typed access to arguments that a schema has checked already.

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

/// Checked arguments.
#[derive(Debug, Clone, Copy)]
pub struct Arguments<'a>(pub &'a Map<String, Value>);

impl<'a> Arguments<'a> {
    /// A string, if it was given.
    #[must_use]
    pub fn text(self, name: &str) -> Option<&'a str> {
        self.0.get(name).and_then(Value::as_str)
    }

    /// A boolean, or the default the schema declares.
    #[must_use]
    pub fn flag(self, name: &str, default: bool) -> bool {
        self.0.get(name).and_then(Value::as_bool).unwrap_or(default)
    }

    /// A number, if it was given.
    #[must_use]
    pub fn number(self, name: &str) -> Option<f64> {
        self.0.get(name).and_then(Value::as_f64)
    }

    /// A whole number. JSON Schema counts 2.0 as one.
    #[must_use]
    pub fn whole(self, name: &str) -> Option<u32> {
        let value = self.0.get(name)?;
        let whole = value.as_u64().or_else(|| {
            let float = value.as_f64()?;
            let fits = float.fract() == 0.0 && (0.0..=f64::from(u32::MAX)).contains(&float);
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "checked to be a whole number in range"
            )]
            fits.then_some(float as u64)
        });
        whole.map(|whole| u32::try_from(whole).unwrap_or(u32::MAX))
    }

    /// An array's items; empty when it was not given.
    #[must_use]
    pub fn items(self, name: &str) -> &'a [Value] {
        self.0
            .get(name)
            .and_then(Value::as_array)
            .map_or(&[], Vec::as_slice)
    }

    /// An array of strings.
    #[must_use]
    pub fn texts(self, name: &str) -> Vec<String> {
        self.items(name)
            .iter()
            .filter_map(Value::as_str)
            .map(str::to_owned)
            .collect()
    }

    /// A word of a closed set.
    #[must_use]
    pub fn word<T: DeserializeOwned>(self, name: &str) -> Option<T> {
        serde_json::from_value(self.0.get(name)?.clone()).ok()
    }
}

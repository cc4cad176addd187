//! The providers under test: how the server is told of each, and where its simulator stands.

use exai_mocks::provider::Provider;

/// A provider of the server.
#[derive(Debug, Clone, Copy)]
pub struct Row {
    /// The row's name in the configuration.
    pub name: &'static str,
    /// The dialect, where the server ships no such row.
    pub dialect: Option<&'static str>,
    /// The vendor whose simulator it is pointed at.
    pub vendor: Provider,
    /// A model of class *prompt*.
    pub model: &'static str,
    /// The variable its key is read from.
    pub variable: &'static str,
}

pub const KIMI: Row = Row {
    name: "kimi",
    dialect: None,
    vendor: Provider::Kimi,
    model: "kimi-k2.6",
    variable: "KIMI_API_KEY",
};

pub const GLM: Row = Row {
    name: "glm",
    dialect: None,
    vendor: Provider::Glm,
    model: "glm-5-turbo",
    variable: "ZAI_API_KEY",
};

pub const MINIMAX: Row = Row {
    name: "minimax",
    dialect: None,
    vendor: Provider::MiniMax,
    model: "MiniMax-M3",
    variable: "MINIMAX_API_KEY",
};

/// A provider of the OpenAI-shaped dialect, which no vendor of its own has: MiniMax's second route
/// is as strict as the first.
pub const OPENAI: Row = Row {
    name: "gateway",
    dialect: Some("openai"),
    vendor: Provider::MiniMax,
    model: "MiniMax-M3",
    variable: "GATEWAY_API_KEY",
};

impl Row {
    /// A key of the form that the vendor hands out.
    pub fn key(&self) -> String {
        match self.vendor {
            Provider::Glm => format!("{}.{}", "0123456789abcdef".repeat(2), "PlantedPlanted16"),
            Provider::Kimi => format!("sk-{}", "plantedKey0123456789".repeat(2)),
            Provider::MiniMax => format!("sk-api-{}", "plantedKey0123456789".repeat(2)),
        }
    }

    /// The name that asks this provider and no other first.
    pub fn address(&self) -> String {
        format!("{}/{}", self.name, self.model)
    }

    /// Its section of the configuration, with the API under `root`.
    pub fn section(&self, root: &str) -> String {
        let base = match self.dialect {
            Some(_) => format!("{root}/v1"),
            None => format!("{root}{}", self.vendor.base_path()),
        };
        let mut text = format!(
            "[provider.{}]\nbase_url = \"{base}\"\nallow_private = true\n",
            self.name
        );
        if let Some(dialect) = self.dialect {
            let (variable, model) = (self.variable, self.model);
            text.push_str(&format!(
                "dialect = \"{dialect}\"\napi_key_env = [\"{variable}\"]\nmodels = [\"{model}\"]\n"
            ));
        }
        text
    }
}

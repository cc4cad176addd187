//! The rows of `tools.toml`, parsed one by one, so that a broken row loses one tool.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::provider::method::Method;
use crate::router::ask::ThinkingMode;

/// The embedded rows.
pub const TOOLS_TOML: &str = include_str!("../../tools.toml");

/// Which profiles list a tool.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Tier {
    /// In every profile, whatever allow and deny lists say.
    Forced,
    /// In every profile.
    Essential,
    /// In every profile.
    Core,
    /// From the standard profile on.
    Advanced,
    /// In the full profile.
    Extra,
}

/// What runs when the tool is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// One question, one answer, in a thread.
    Chat,
    /// The workflow engine.
    Workflow,
    /// Several models and a synthesis.
    Consensus,
    /// Build identity.
    Version,
    /// The state of the server.
    Status,
    /// The model catalogue.
    ListModels,
    /// A statement to be judged critically by the caller itself.
    Challenge,
    /// The caller's own text.
    Echo,
    /// Component states.
    Health,
    /// A check of the server's own ground.
    SelfCheck,
    /// What providers and models can do.
    Capabilities,
    /// The last calls, as lines.
    Activity,
    /// The last calls, as JSON lines.
    CallLog,
    /// One provider's chat with the caller's own tools.
    ToolChat,
    /// The request that a chat would send.
    Preview,
    /// One provider's search engine.
    WebSearch,
    /// What a request is after, as fields.
    Intent,
    /// The headers of one real request.
    Capture,
    /// A question about one stored file.
    FileQuery,
    /// A stored file given back.
    FileDownload,
    /// The files at a provider.
    ManageFiles,
}

impl Kind {
    /// Whether calls are kept as exchanges of a thread.
    #[must_use]
    pub const fn keeps_threads(self) -> bool {
        matches!(
            self,
            Self::Chat | Self::Workflow | Self::Consensus | Self::FileQuery
        )
    }

    /// The methods that calls need of the provider that the row names.
    #[must_use]
    pub const fn needs(self) -> &'static [Method] {
        match self {
            Self::ToolChat => &[Method::ToolChat, Method::HostedSearch],
            Self::Capture => &[Method::ToolChat],
            Self::WebSearch => &[Method::SearchEngine],
            Self::ManageFiles => &[Method::Files],
            Self::Chat
            | Self::Workflow
            | Self::Consensus
            | Self::Version
            | Self::Status
            | Self::ListModels
            | Self::Challenge
            | Self::Echo
            | Self::Health
            | Self::SelfCheck
            | Self::Capabilities
            | Self::Activity
            | Self::CallLog
            | Self::Preview
            | Self::Intent
            | Self::FileQuery
            | Self::FileDownload => &[],
        }
    }
}

/// How a workflow that no model reviews lays its steps out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Layout {
    /// Steps in order, with revisions and branches.
    Plan,
    /// A call flow or a map of dependencies.
    Trace,
    /// Notes file by file, with a count.
    Documents,
}

/// One tool, as written.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Row {
    /// Lower-case letters, digits and underscores.
    pub name: String,
    /// For people.
    pub title: String,
    /// Which profiles list it.
    pub tier: Tier,
    /// What runs.
    pub kind: Kind,
    /// The first sentence says when to call it.
    pub description: String,
    /// Name of its file in `prompts/`, where it asks a model.
    pub prompt: Option<String>,
    /// Whether a model reviews the findings at the last step of a workflow.
    #[serde(default)]
    pub expert: bool,
    /// How a workflow without a reviewer lays its steps out.
    pub layout: Option<Layout>,
    /// Whether a workflow takes git changes at its first step.
    #[serde(default)]
    pub changes: bool,
    /// What a workflow's caller should do before the second step.
    #[serde(default)]
    pub first: Vec<String>,
    /// What a workflow's caller should do before each later step.
    #[serde(default)]
    pub later: Vec<String>,
    /// The temperature of a call that names none.
    pub temperature: Option<f64>,
    /// How much the model thinks in a call that does not say.
    pub thinking: Option<ThinkingMode>,
    /// The provider without which the tool is hidden.
    pub provider: Option<String>,
    /// Parameter blocks taken over.
    #[serde(default)]
    pub blocks: Vec<String>,
    /// Parameters of those blocks left out.
    #[serde(default)]
    pub omit: Vec<String>,
    /// Required parameters, in the order a caller should fill them.
    pub required: Vec<String>,
    /// Its own parameters.
    #[serde(default)]
    pub params: Map<String, Value>,
    /// The schema of its structured content, where that carries the whole answer.
    pub output: Option<Map<String, Value>>,
}

impl Row {
    /// Whether calls may ask a model.
    #[must_use]
    pub const fn asks_models(&self) -> bool {
        match self.kind {
            Kind::Workflow => self.expert,
            Kind::Chat | Kind::Consensus | Kind::Intent | Kind::FileQuery => true,
            _ => false,
        }
    }

    /// Whether calls may send something to a provider.
    #[must_use]
    pub const fn reaches_outside(&self) -> bool {
        let is_direct = matches!(
            self.kind,
            Kind::ToolChat | Kind::WebSearch | Kind::Capture | Kind::ManageFiles
        );
        is_direct || self.asks_models()
    }

    /// Whether calls may delete what others rely on.
    #[must_use]
    pub const fn is_destructive(&self) -> bool {
        matches!(self.kind, Kind::ManageFiles)
    }

    /// Whether calls leave everything but the caller's own threads and files as it was.
    #[must_use]
    pub const fn is_read_only(&self) -> bool {
        !matches!(self.kind, Kind::ManageFiles | Kind::FileDownload)
    }
}

/// All rows, and those that could not be read.
#[derive(Debug, Clone, Default)]
pub struct Catalogue {
    /// Rows that parse, each with its input schema.
    pub rows: Vec<(Row, Map<String, Value>)>,
    /// Name and reason of each row that does not.
    pub broken: Vec<(String, String)>,
}

type Blocks = BTreeMap<String, Map<String, Value>>;

/// The embedded rows, read once: a configuration is checked against them before they are served.
static EMBEDDED: LazyLock<Catalogue> = LazyLock::new(|| Catalogue::parse(TOOLS_TOML));

impl Catalogue {
    /// The embedded rows.
    #[must_use]
    pub fn embedded() -> &'static Self {
        &EMBEDDED
    }

    /// Reads rows from TOML. A text that is no TOML at all is one broken row named `tools.toml`.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let document: Map<String, Value> = match toml::from_str(text) {
            Ok(document) => document,
            Err(error) => {
                let broken = vec![("tools.toml".to_owned(), error.message().to_owned())];
                return Self {
                    rows: Vec::new(),
                    broken,
                };
            }
        };
        let blocks = document.get("block").cloned().unwrap_or_default();
        let blocks: Blocks = serde_json::from_value(blocks).unwrap_or_default();
        let mut catalogue = Self::default();
        for value in document
            .get("tool")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
        {
            let name = value
                .get("name")
                .and_then(Value::as_str)
                .unwrap_or("(unnamed)")
                .to_owned();
            match read_row(value, &blocks) {
                Ok(row) => catalogue.rows.push(row),
                Err(reason) => catalogue.broken.push((name, reason)),
            }
        }
        catalogue
    }
}

fn read_row(value: &Value, blocks: &Blocks) -> Result<(Row, Map<String, Value>), String> {
    let row: Row = serde_json::from_value(value.clone()).map_err(|error| error.to_string())?;
    let is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    if row.name.is_empty() || row.name.len() > 40 || !row.name.chars().all(is_plain) {
        return Err("the name is not 1 to 40 of a-z, 0-9, _".to_owned());
    }
    if row.description.chars().count() > 1000 {
        return Err("the description is longer than 1000 characters".to_owned());
    }
    if row.provider.is_none() && !row.kind.needs().is_empty() {
        return Err("it names no provider".to_owned());
    }
    let schema = input_schema(&row, blocks)?;
    Ok((row, schema))
}

/// Required parameters first and in order, then the tool's own, then those of its blocks.
fn input_schema(row: &Row, blocks: &Blocks) -> Result<Map<String, Value>, String> {
    let mut all: Map<String, Value> = Map::new();
    for name in &row.blocks {
        let block = blocks
            .get(name)
            .ok_or_else(|| format!("there is no block {name}"))?;
        all.extend(block.clone());
    }
    for name in &row.omit {
        all.shift_remove(name)
            .ok_or_else(|| format!("no block has the parameter {name}"))?;
    }
    let mut own = row.params.clone();
    for name in own.keys() {
        all.shift_remove(name);
    }
    let mut properties = Map::new();
    for name in &row.required {
        let schema = own.shift_remove(name).or_else(|| all.shift_remove(name));
        let schema = schema.ok_or_else(|| format!("{name} is not declared"))?;
        properties.insert(name.clone(), schema);
    }
    properties.extend(own);
    properties.extend(all);
    let schema = json!({
        "type": "object",
        "properties": properties,
        "required": row.required,
        "additionalProperties": false,
    });
    match schema {
        Value::Object(schema) => Ok(schema),
        _ => Err("the schema is no object".to_owned()),
    }
}

/// An input schema as it is listed: bounds of lengths and the insides of items are left to the
/// validator, since every client pays for the list with its model's context.
#[must_use]
pub fn listed(schema: &Map<String, Value>) -> Map<String, Value> {
    let mut listed = schema.clone();
    if let Some(Value::Object(properties)) = listed.get_mut("properties") {
        properties.values_mut().for_each(shorten);
    }
    listed
}

fn shorten(schema: &mut Value) {
    let Value::Object(schema) = schema else {
        return;
    };
    for bound in ["minLength", "maxLength", "minItems", "maxItems"] {
        schema.shift_remove(bound);
    }
    schema.shift_remove("additionalProperties");
    if matches!(schema.get("minimum").and_then(Value::as_i64), Some(0 | 1)) {
        schema.shift_remove("minimum");
    }
    match schema.get_mut("anyOf") {
        Some(Value::Array(forms)) => {
            for form in forms {
                *form = json!({ "type": form["type"] });
            }
        }
        _ => {
            if let Some(Value::Object(properties)) = schema.get_mut("properties") {
                properties.values_mut().for_each(shorten);
            }
        }
    }
    if let Some(items) = schema.get_mut("items") {
        shorten(items);
    }
}

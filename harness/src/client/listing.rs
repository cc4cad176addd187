//! Lists as a client sees them: every page followed, a made-up cursor tried.

use std::collections::BTreeMap;
use std::time::Duration;

use exai_judge::hex::sha256;
use exai_judge::observation::Listed;
use serde_json::{Value, json};

use super::{Client, ClientError, what_came};
use crate::canonical::canonical;

/// A list with more pages than this does not end.
const PAGES: usize = 100;

/// A cursor no server gave out.
const MADE_UP_CURSOR: &str = "bWFkZSB1cCBieSB0aGUgY2xpZW50";

impl Client {
    /// The tools, all pages followed, each page asked for within `wait`.
    ///
    /// # Errors
    /// When a page is not a list, or the pages do not end.
    pub async fn list_tools(&self, wait: Duration) -> Result<Listed, ClientError> {
        let mut listed = Listed {
            transport: self.transport(),
            tools: BTreeMap::new(),
            bytes: 0,
            repeated: Vec::new(),
            bad_cursor_refused: false,
        };
        let mut cursor: Option<String> = None;
        for _ in 0..PAGES {
            let params = cursor.map_or_else(|| json!({}), |cursor| json!({"cursor": cursor}));
            let exchange = self.request("tools/list", params, wait).await;
            let page = exchange.result().filter(|page| page["tools"].is_array());
            let page = page.ok_or_else(|| refused(what_came(&exchange)))?;
            take_page(&mut listed, page);
            cursor = page["nextCursor"].as_str().map(str::to_owned);
            if cursor.is_none() {
                listed.bad_cursor_refused = self.refuses_made_up_cursor(wait).await;
                return Ok(listed);
            }
        }
        Err(refused(format!("more than {PAGES} pages")))
    }

    async fn refuses_made_up_cursor(&self, wait: Duration) -> bool {
        let params = json!({"cursor": MADE_UP_CURSOR});
        let exchange = self.request("tools/list", params, wait).await;
        exchange.error_code() == Some(-32602)
    }
}

fn refused(why: String) -> ClientError {
    ClientError::List {
        what: "tools/list".to_owned(),
        why,
    }
}

fn take_page(listed: &mut Listed, page: &Value) {
    listed.bytes += u64::try_from(page.to_string().len()).unwrap_or(u64::MAX);
    for tool in page["tools"].as_array().into_iter().flatten() {
        let name = tool["name"].as_str().unwrap_or_default().to_owned();
        let schema = sha256(canonical(&tool["inputSchema"]).as_bytes());
        if listed.tools.insert(name.clone(), schema).is_some() {
            listed.repeated.push(name);
        }
    }
}

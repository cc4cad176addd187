//! What callers spend: held before a provider is asked, settled after it answered, told to them and
//! to the operator.
//!
//! Every answer is charged to its principal and its team and adds to a line of usage. Where an
//! account has bounds, a hold of the most that the call can cost is taken first, and the answer
//! waits for its settlement; elsewhere settlements follow the answers, those of a tenth of a
//! second in one write. What an attempt without an answer cost is not known to anybody but the
//! provider, and is not charged.

pub mod calendar;
mod gathered;
mod refusal;
pub mod report;

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt as _;
use gathered::Gathered;
use jiff::Timestamp;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use uuid::Uuid;

use crate::config::{Budgets, Current};
use crate::failure::Failure;
use crate::router::ask::Usage;
use crate::store::Store;
use crate::store::spending::{Amount, Bounds, Held, Hold, Settlement, Spent, UsageLine};

/// Waits before a settlement that the store did not take is sent again.
const AGAIN: [Duration; 5] = [
    Duration::from_secs(1),
    Duration::from_secs(2),
    Duration::from_secs(4),
    Duration::from_secs(8),
    Duration::from_secs(16),
];

/// How long settlements that nobody waits for are gathered.
const GATHERING: Duration = Duration::from_millis(100);

/// Settlements that are under way at once; the store refuses more than it has room for.
const AT_ONCE: usize = 64;

/// Who spends.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Spender {
    /// The verified principal.
    pub principal: String,
    /// Its team.
    pub team: Option<Arc<str>>,
    /// The tool that asks.
    pub tool: &'static str,
}

impl Spender {
    /// The accounts charged, the caller's own first.
    #[must_use]
    pub fn accounts(&self) -> Vec<String> {
        let own = format!("user:{}", self.principal);
        let team = self.team.as_ref().map(|team| format!("team:{team}"));
        std::iter::once(own).chain(team).collect()
    }
}

/// What answered.
#[derive(Debug, Clone, Copy)]
pub struct Answered<'a> {
    /// The provider row.
    pub provider: &'a str,
    /// The model; empty where there is none.
    pub model: &'a str,
    /// Its tokens.
    pub usage: Usage,
    /// Its cost in US dollars; `None` where no price is known, which charges tokens alone.
    pub cost_usd: Option<f64>,
}

/// The accounts of all callers; cheap to clone.
#[derive(Debug, Clone)]
pub struct Spending(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    store: Store,
    budgets: Current<Budgets>,
    works: TaskTracker,
    gathered: Gathered,
    ending: CancellationToken,
}

impl Spending {
    /// Accounts in a store, under these bounds.
    #[must_use]
    pub fn new(store: Store, budgets: Budgets) -> Self {
        Self(Arc::new(Inner {
            store,
            budgets: Current::new(budgets),
            works: TaskTracker::new(),
            gathered: Gathered::default(),
            ending: CancellationToken::new(),
        }))
    }

    /// The bounds in force, which a reload may replace: what is held already stays held.
    #[must_use]
    pub fn budgets(&self) -> &Current<Budgets> {
        &self.0.budgets
    }

    /// Holds the most that a call can cost, for as long as it may run.
    ///
    /// # Errors
    /// `budget_exceeded` with the time of the reset, `budget_held` while running calls hold the
    /// rest, and the store's outage: without it nobody knows what is left.
    pub async fn hold(
        &self,
        spender: &Spender,
        amount: Amount,
        span: Duration,
    ) -> Result<Holding, Failure> {
        let mut holding = Holding {
            spending: self.clone(),
            spender: spender.clone(),
            id: Uuid::new_v4(),
            held: Vec::new(),
        };
        let now = Timestamp::now();
        let span_ms = i64::try_from(span.as_millis()).unwrap_or(i64::MAX);
        let budgets = self.0.budgets.get();
        for account in spender.accounts() {
            let bounds = budgets.of(&account);
            if bounds == Bounds::default() {
                continue;
            }
            let hold = Hold {
                account: account.clone(),
                id: holding.id,
                amount,
                bounds,
                periods: calendar::periods(now),
                now_ms: now.as_millisecond(),
                expires_ms: now.as_millisecond().saturating_add(span_ms),
            };
            match self.0.store.hold(&hold).await? {
                Held::Taken => holding.held.push(account),
                Held::Refused(spent) => {
                    let (of, sums) = ((&*account, &bounds), (&spent, amount));
                    return Err(refusal::exceeded(of, sums, now));
                }
            }
        }
        Ok(holding)
    }

    /// Settles what is gathered, and waits for settlements under way.
    pub async fn finish(&self) {
        self.0.ending.cancel();
        self.0.works.close();
        self.0.works.wait().await;
    }

    /// Settles after a while, with what else comes until then.
    fn settle_later(&self, settlement: Settlement) {
        if !self.0.gathered.add(settlement) {
            return;
        }
        let own = self.clone();
        drop(self.0.works.spawn(async move {
            tokio::select! {
                () = tokio::time::sleep(GATHERING) => {}
                () = own.0.ending.cancelled() => {}
            }
            own.settle_gathered().await;
        }));
    }

    async fn settle_gathered(&self) {
        let gathered = futures::stream::iter(self.0.gathered.take());
        let settling = gathered.for_each_concurrent(AT_ONCE, async |settlement| {
            self.settle(&settlement).await;
        });
        settling.await;
    }

    async fn settle(&self, settlement: &Settlement) -> Option<Vec<Spent>> {
        match self.0.store.settle(settlement).await {
            Ok(spent) => Some(spent),
            Err(error) => {
                tracing::warn!(cause = %error, "a settlement is sent again later");
                let (own, again) = (self.clone(), settlement.clone());
                drop(self.0.works.spawn(async move { own.insist(again).await }));
                None
            }
        }
    }

    /// Sends a settlement until the store has taken it; a hold that is never settled expires.
    async fn insist(self, settlement: Settlement) {
        for wait in AGAIN {
            tokio::time::sleep(wait).await;
            if self.0.store.settle(&settlement).await.is_ok() {
                return;
            }
        }
        tracing::error!(
            nano_usd = settlement.amount.nano_usd,
            tokens = settlement.amount.tokens,
            "a settlement was given up: the sums are short by it"
        );
    }
}

/// What a running call holds. Dropped without a settlement, it gives the hold back.
#[derive(Debug)]
pub struct Holding {
    spending: Spending,
    spender: Spender,
    id: Uuid,
    held: Vec<String>,
}

impl Holding {
    /// Charges an answer; gives one line for each bound that is nearly reached.
    pub async fn settle(mut self, answered: Answered<'_>) -> Vec<String> {
        let now = Timestamp::now();
        let usage = answered.usage;
        let amount = Amount {
            nano_usd: nano_usd(answered.cost_usd.unwrap_or(0.0)),
            tokens: usage.input.saturating_add(usage.output),
        };
        let periods = calendar::periods(now);
        let line = UsageLine {
            day: periods.day.clone(),
            principal: self.spender.principal.clone(),
            team: self.spender.team.as_deref().unwrap_or_default().to_owned(),
            tool: self.spender.tool.to_owned(),
            provider: answered.provider.to_owned(),
            model: answered.model.to_owned(),
            calls: 1,
            input: usage.input,
            output: usage.output,
            cached: usage.cached,
            nano_usd: amount.nano_usd,
        };
        let accounts = self.spender.accounts();
        let settlement = Settlement {
            id: self.id,
            accounts: accounts.clone(),
            amount,
            periods,
            now_ms: now.as_millisecond(),
            line: Some(line),
        };
        let held = std::mem::take(&mut self.held);
        let spending = self.spending.clone();
        if held.is_empty() {
            spending.settle_later(settlement);
            return Vec::new();
        }
        let Some(spent) = spending.settle(&settlement).await else {
            return Vec::new();
        };
        let budgets = spending.0.budgets.get();
        let each = accounts.iter().zip(&spent);
        each.flat_map(|(account, spent)| {
            refusal::warnings((account, &budgets.of(account)), spent, &budgets, now)
        })
        .collect()
    }
}

impl Drop for Holding {
    fn drop(&mut self) {
        let accounts = std::mem::take(&mut self.held);
        if accounts.is_empty() {
            return;
        }
        let now = Timestamp::now();
        let settlement = Settlement {
            id: self.id,
            accounts,
            amount: Amount::default(),
            periods: calendar::periods(now),
            now_ms: now.as_millisecond(),
            line: None,
        };
        let spending = self.spending.clone();
        // Outside a runtime nothing can be sent, and the hold expires by itself.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            let works = self.spending.0.works.clone();
            drop(works.spawn_on(
                async move {
                    spending.settle(&settlement).await;
                },
                &runtime,
            ));
        }
    }
}

/// Billionths of a dollar, at least 0.
#[must_use]
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a cast from a float saturates, and what is negative becomes 0"
)]
pub fn nano_usd(usd: f64) -> u64 {
    (usd * 1e9).round() as u64
}

//! Tiles and bars: the figures of the page.

use std::time::Duration;

use super::View;
use super::figure::{self, exact, named};
use crate::failure::Category;
use crate::observe::history::Pick;

/// What "now" is for a rate.
const NOW: Duration = Duration::from_secs(10);

/// What the page looks back on.
const LATELY: Duration = Duration::from_secs(5 * 60);

const REQUESTS: Pick<'_> = Pick::all("exai_requests_total");
const FAILED: Pick<'_> = REQUESTS.only(&[("status", "error")]);
const IN_FLIGHT: Pick<'_> = Pick::all("exai_in_flight");
const CONNECTIONS: Pick<'_> = Pick::all("exai_connections");

struct Tile<'a> {
    /// The metric whose exact figure is in it.
    metric: &'a str,
    title: &'a str,
    large: String,
    small: String,
    line: Vec<f64>,
    class: &'a str,
}

pub fn tiles(view: &View<'_>) -> String {
    let history = view.history;
    let total = history.sum(REQUESTS);
    let pace = history.grown(REQUESTS, NOW) / history.covered(NOW);
    let durations = Pick::all("exai_request_duration_seconds");
    let quantile = |q| history.quantile(durations, q, LATELY).remove("");
    let shown = |name, q| figure::named_or_dash(name, quantile(q), figure::seconds);
    let counted = history.sum(Pick::all("exai_request_duration_seconds_count"));
    let failed = history.grown(FAILED, LATELY);
    let asked = history.grown(REQUESTS, LATELY);
    let share = if asked > 0.0 { failed / asked } else { 0.0 };
    let list = [
        Tile {
            metric: "exai_requests_total",
            title: "Requests",
            large: format!("{}<i> / s</i>", named("rate", pace, &figure::rate(pace))),
            small: format!("{} in all", exact(total, &figure::whole(total))),
            line: history.line(REQUESTS, true),
            class: "",
        },
        Tile {
            metric: "exai_request_duration_seconds_count",
            title: "Latency p95, 5 min",
            large: shown("p95", 0.95),
            small: format!(
                "p50 {} · {} timed",
                shown("p50", 0.5),
                exact(counted, &figure::whole(counted))
            ),
            line: history.pace(durations),
            class: "",
        },
        in_flight(view),
        Tile {
            metric: "exai_errors_total",
            title: "Failed, 5 min",
            large: named("failed", share, &figure::percent(share)),
            small: errors_in_all(view),
            line: history.line(FAILED, true),
            class: if share > 0.1 { "bad" } else { "" },
        },
    ];
    list.iter().map(tile).collect()
}

fn in_flight<'a>(view: &View<'_>) -> Tile<'a> {
    let history = view.history;
    let busy = history.sum(IN_FLIGHT);
    let limit = history.sum(Pick::all("exai_in_flight_limit"));
    let sessions = history.sum(Pick::all("exai_sessions"));
    let open = history.sum(CONNECTIONS);
    Tile {
        metric: "exai_in_flight",
        title: "In flight",
        large: format!(
            "{}<i> of {}</i>",
            exact(busy, &figure::whole(busy)),
            named("limit", limit, &figure::whole(limit))
        ),
        small: format!(
            "{} · {}",
            named("connections", open, &figure::count(open, "connection")),
            named("sessions", sessions, &figure::count(sessions, "session"))
        ),
        line: history.line(IN_FLIGHT, false),
        class: if busy > 0.9 * limit { "bad" } else { "" },
    }
}

fn errors_in_all(view: &View<'_>) -> String {
    let errors = view.history.sum(Pick::all("exai_errors_total"));
    let failovers = view.history.sum(Pick::all("exai_failovers_total"));
    let errors = exact(errors, &figure::whole(errors));
    let failovers = named(
        "failovers",
        failovers,
        &figure::count(failovers, "failover"),
    );
    format!("{errors} in all · {failovers}")
}

fn tile(tile: &Tile<'_>) -> String {
    let Tile {
        metric,
        title,
        large,
        small,
        line,
        class,
    } = tile;
    let spark = figure::spark(line);
    format!(
        "<div class=\"tile {class}\" data-metric=\"{metric}\"><h2>{title}</h2>\
         <strong>{large}</strong><small>{small}</small>{spark}</div>"
    )
}

pub fn errors(view: &View<'_>) -> String {
    let pick = Pick::all("exai_errors_total").by("category");
    let lately = view.history.increase(pick, LATELY);
    let most = lately.values().copied().fold(1.0, f64::max);
    let all = view.history.now(pick);
    let row = |category: Category| {
        let name = category.name();
        let count = lately.get(name).copied().unwrap_or_default();
        let whole = all.get(name).copied().unwrap_or_default();
        let words = name.trim_end_matches("_error").replace('_', " ");
        let class = if count > 0.0 { "" } else { "none" };
        format!(
            "<tr class=\"{class}\" data-category=\"{name}\"><th scope=\"row\">{words}</th>\
             <td>{}</td><td class=\"num\">{}</td><td class=\"num soft\">{}</td></tr>",
            figure::bar(count / most, ""),
            named("lately", count, &figure::whole(count)),
            exact(whole, &figure::whole(whole)),
        )
    };
    let rows: String = Category::ALL.into_iter().map(row).collect();
    format!(
        "<table class=\"bars\"><thead><tr><th scope=\"col\">Category</th><th scope=\"col\">\
         <span class=\"unseen\">Share</span></th><th scope=\"col\" class=\"num\">5 min</th>\
         <th scope=\"col\" class=\"num\">all</th></tr></thead><tbody>{rows}</tbody></table>"
    )
}

/// A row of the process's own figures: title, metric, share for the bar, words.
type Gauge<'a> = (&'a str, &'a str, f64, String);

pub fn system(view: &View<'_>) -> String {
    let sum = |name| view.history.sum(Pick::all(name));
    let resident = sum("exai_process_resident_bytes");
    let memory = sum("exai_memory_used_ratio");
    let disk = sum("exai_disk_used_ratio");
    let processor = sum("exai_process_cpu_ratio");
    let open = sum("exai_open_fds");
    let overdue = sum("exai_permits_overdue");
    let growth = sum("exai_memory_growth_bytes_per_hour");
    let busy = sum("exai_in_flight");
    let limit = sum("exai_in_flight_limit").max(1.0);
    let trend = match growth {
        g if g.abs() < 1_048_576.0 => String::new(),
        g => format!(" · {} / h", figure::bytes(g)),
    };
    let rows: [Gauge<'_>; 4] = [
        (
            "Processor",
            "exai_process_cpu_ratio",
            processor,
            figure::percent(processor),
        ),
        (
            "Memory",
            "exai_memory_used_ratio",
            memory,
            figure::bytes(resident) + &trend,
        ),
        ("Disk", "exai_disk_used_ratio", disk, figure::percent(disk)),
        (
            "Permits",
            "exai_permits_overdue",
            busy / limit,
            format!(
                "{} taken · {} overdue",
                figure::whole(busy),
                named("overdue", overdue, &figure::whole(overdue))
            ),
        ),
    ];
    let row = |(title, metric, share, words): &Gauge<'_>| {
        let class = if *share > 0.85 { "bad" } else { "" };
        format!(
            "<tr data-metric=\"{metric}\"><th scope=\"row\">{title}</th><td>{}</td>\
             <td class=\"num\">{}</td></tr>",
            figure::bar(*share, class),
            words
        )
    };
    let rows: String = rows.iter().map(row).collect();
    let descriptors = figure::whole(open);
    format!(
        "<table class=\"bars wide\"><tbody>{rows}</tbody></table>\
         <p class=\"soft\">{descriptors} open descriptors</p>"
    )
}

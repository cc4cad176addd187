//! B22: whether the words or the time of a refused path tell what is at it.

use serde_json::{Value, json};
use tokio::time::Instant;

use super::super::asker::{either, pair};
use super::super::way::{Way, error_of, word_of};
use super::arguments::reading;
use super::timing::middle;
use crate::stage::Stage;

/// A file, nothing, a folder and a device: names of one length.
const PATHS: [&str; 4] = ["/etc/passwd", "/etc/nobody", "/usr/share/", "/dev/random"];
/// From here on the slowest of the four stands out against the quickest, both of the same run.
const RATIO: f64 = 1.2;
/// And they differ by this many of their own errors.
const ERRORS: f64 = 5.0;

/// Tries B22 on one edge.
pub async fn one_edge(stage: &Stage, edge: &str, way: &mut Way<'_>) {
    let rounds = match stage.profile {
        "full" => 250,
        _ => 40,
    };
    let (mut times, mut words) = ([const { Vec::new() }; PATHS.len()], Vec::new());
    // The first path once more: what tells it from itself is the machine's doing.
    let mut again = Vec::new();
    let file = json!({"name": "passwd", "content": "root"});
    for round in 0..rounds {
        // Interleaved, so that what else goes on falls on all alike. No two calls are equal.
        for (path, times) in PATHS.iter().zip(&mut times) {
            let (said, took) = timed(way, round, &json!(path)).await;
            times.push(took);
            words.push(refusal(&said, path));
        }
        again.push(timed(way, rounds + 1 + round, &json!(PATHS[0])).await.1);
    }
    let noise = told_apart(&mut [times[0].clone(), again]);
    let good = match noise.as_str() {
        ALIKE => word_of(&timed(way, rounds, &file).await.0),
        noise => format!("the same path twice: {noise}"),
    };
    words.sort();
    words.dedup();
    let same = match words.as_slice() {
        [one] => one.clone(),
        several => format!("{} refusals: {}", several.len(), several.join(" or ")),
    };
    let is_same = words.len() == 1 && same.starts_with("file_not_readable");
    pair(
        stage,
        ("B22.words", edge),
        (either(is_same, "one refusal", &same), &["one refusal"]),
        (&good, &["accepted"]),
    );
    if noise != ALIKE {
        return;
    }
    pair(
        stage,
        ("B22.time", edge),
        (&told_apart(&mut times), &[ALIKE]),
        (&good, &["accepted"]),
    );
}

async fn timed(way: &mut Way<'_>, round: usize, file: &Value) -> (Value, f64) {
    let arguments = reading(&format!("What is in it? {round}"), file);
    let began = Instant::now();
    let said = way.ask("chat", arguments).await;
    (said, began.elapsed().as_secs_f64())
}

/// All that a caller is told, without what is the call's own.
fn refusal(said: &Value, path: &str) -> String {
    let mut error = error_of(said).clone();
    if let Some(error) = error.as_object_mut() {
        error.remove("correlation_id");
    }
    let code = error["code"].as_str().unwrap_or("no refusal").to_owned();
    format!("{code} {error}").replace(path, "PATH")
}

/// What is said of times that tell nothing.
const ALIKE: &str = "alike";

/// [`ALIKE`], or by how much the slowest stands out against the quickest.
fn told_apart(times: &mut [Vec<f64>]) -> String {
    let mut middles: Vec<(f64, f64)> = times.iter_mut().map(|times| middle(times)).collect();
    middles.sort_by(|a, b| a.0.total_cmp(&b.0));
    let (Some(quick), Some(slow)) = (middles.first(), middles.last()) else {
        return "nothing timed".to_owned();
    };
    let ratio = slow.0 / quick.0;
    let errors = (slow.0 - quick.0) / slow.1.hypot(quick.1);
    if ratio >= RATIO && errors >= ERRORS {
        return format!("{ratio:.2} times as long, {errors:.1} errors apart");
    }
    ALIKE.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Times of four groups, the third of them longer by this share.
    fn times(share: f64) -> Vec<Vec<f64>> {
        let noise = |n: usize| (n * 7919 % 101) as f64 / 101.0;
        let longer = |group: usize| if group == 2 { 1.0 + share } else { 1.0 };
        (0..PATHS.len())
            .map(|group| {
                let time = |n| (2.0 + noise(n + group * 31)) * longer(group);
                (0..40).map(time).collect()
            })
            .collect()
    }

    #[test]
    fn one_refusal_that_takes_longer_is_told_apart_and_noise_is_not() {
        assert_eq!(told_apart(&mut times(0.0)), ALIKE);
        assert!(told_apart(&mut times(0.5)).starts_with("1.5"));
        assert!(told_apart(&mut times(-0.5)).contains("errors apart"));
    }

    #[test]
    fn the_paths_are_of_one_length_and_a_refusal_shows_what_it_says_but_for_the_path() {
        assert!(PATHS.iter().all(|path| path.len() == PATHS[0].len()));
        let said = |path: &str, message: &str| {
            let error = json!({"code": "file_not_readable", "message": message,
                "correlation_id": path});
            refusal(&json!({"error": {"data": error}}), path)
        };
        assert_eq!(said("/a", "/a: no"), said("/b", "/b: no"));
        assert_ne!(said("/a", "/a: no"), said("/b", "/b is a folder"));
    }
}

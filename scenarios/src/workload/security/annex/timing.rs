//! J44: whether the time that a wrong shared token takes tells how much of it is right.

use exai_harness::server::Settings;
use serde_json::json;
use tokio::time::Instant;

use super::super::asker::{Asker, pair};
use super::{start, unhurried};
use crate::stage::{Stage, Trouble};

const EDGE: &str = "http-2026-07-28";
const TOKEN: &str = "5b0e91c7a4f2d8364e1fa07c29b5d68353c8e7f10a942b6d";
/// Right characters at the beginning of a wrong token.
const PREFIXES: [usize; 9] = [0, 5, 11, 17, 23, 29, 35, 41, 47];
/// From here on the medians are in order (Spearman): 9 ranks come so by chance once in 1 500 times.
const ORDERED: f64 = 0.9;
/// And the longest differs from the shortest by this many of its own errors.
const ERRORS: f64 = 4.0;

/// Tries J44.
///
/// # Errors
/// When the rig cannot start a server.
pub async fn try_all(stage: &Stage) -> Result<(), Trouble> {
    let file = stage.ground.file("battery-tokens", &format!("{TOKEN}\n"))?;
    let settings: Settings = unhurried()
        .with("auth.mode", "token")
        .with("auth.token_file", file);
    let beside = start(stage, "beside-tokens", &settings).await?;
    let comparisons = match stage.profile {
        "full" => 10_000,
        _ => 1_800,
    };
    let asker = |token: &str| Asker {
        authorization: format!("Bearer {token}"),
        ..Asker::user(stage, 980).before(&beside)
    };
    let wrong = PREFIXES.map(|right| asker(&changed(right)));
    let mut times: [Vec<f64>; PREFIXES.len()] = Default::default();
    let mut refused = 0;
    for _ in 0..comparisons / PREFIXES.len() {
        stage.check_stop()?;
        // Interleaved, so that what else goes on falls on all alike.
        for (asker, times) in wrong.iter().zip(&mut times) {
            let request = asker.request("version", &json!({}));
            let began = Instant::now();
            let reply = asker.send(&request).await;
            times.push(began.elapsed().as_secs_f64());
            refused += usize::from(reply.status == Some(401));
        }
    }
    let all = times.iter().map(Vec::len).sum::<usize>();
    let word = match refused == all {
        true => ordering(&mut times),
        false => format!("{refused} of {all} refused"),
    };
    let good = asker(TOKEN).call("version", json!({})).await.word();
    pair(
        stage,
        ("J44", EDGE),
        (&word, &["no ordering"]),
        (&good, &["accepted"]),
    );
    Ok(())
}

/// A wrong token whose first characters are right.
fn changed(right: usize) -> String {
    let flip = |c: char| if c == '0' { '1' } else { '0' };
    let chars = TOKEN.chars().enumerate();
    chars
        .map(|(at, c)| if at < right { c } else { flip(c) })
        .collect()
}

/// `no ordering`, or by how much the times follow the prefixes.
fn ordering(times: &mut [Vec<f64>]) -> String {
    let middles: Vec<(f64, f64)> = times.iter_mut().map(|times| middle(times)).collect();
    let rho = spearman(&middles);
    let (Some(first), Some(last)) = (middles.first(), middles.last()) else {
        return "nothing timed".to_owned();
    };
    let errors = (last.0 - first.0) / (last.1.powi(2) + first.1.powi(2)).sqrt();
    if rho >= ORDERED && errors >= ERRORS {
        return format!("ordered: rho {rho:.2}, {errors:.1} errors apart");
    }
    "no ordering".to_owned()
}

/// The median of some times, and its error by their quartiles.
pub(super) fn middle(times: &mut [f64]) -> (f64, f64) {
    times.sort_by(f64::total_cmp);
    let at = |share: usize| times.get(times.len() * share / 4).copied().unwrap_or(0.0);
    // 1.57 of the range between the quartiles over the root of their number: notches of a box plot.
    let error = 1.57 * (at(3) - at(1)) / (times.len() as f64).sqrt();
    (at(2), error.max(f64::MIN_POSITIVE))
}

/// How well the medians are in the order of their places, from -1 to 1.
fn spearman(middles: &[(f64, f64)]) -> f64 {
    let rank = |value: f64| middles.iter().filter(|one| one.0 < value).count() as f64;
    let places = middles.iter().enumerate();
    let squares: f64 = places
        .map(|(place, one)| (place as f64 - rank(one.0)).powi(2))
        .sum();
    let n = middles.len() as f64;
    1.0 - 6.0 * squares / (n * (n * n - 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn times(step: f64) -> Vec<Vec<f64>> {
        let noise = |n: usize| (n * 7919 % 101) as f64 / 101.0;
        (0..9)
            .map(|group| {
                (0..200)
                    .map(|n| 100.0 + noise(n + group * 31) + step * group as f64)
                    .collect()
            })
            .collect()
    }

    #[test]
    fn times_that_grow_with_the_prefix_are_an_ordering_and_noise_is_none() {
        assert_eq!(ordering(&mut times(0.0)), "no ordering");
        assert!(ordering(&mut times(0.2)).starts_with("ordered"));
        assert_eq!(ordering(&mut times(-0.2)), "no ordering");
    }

    #[test]
    fn a_wrong_token_is_right_as_far_as_its_prefix_and_no_further() {
        for right in PREFIXES {
            let wrong = changed(right);
            assert_eq!(wrong.len(), TOKEN.len());
            let same = wrong.chars().zip(TOKEN.chars()).take_while(|(a, b)| a == b);
            assert_eq!(same.count(), right);
        }
    }
}

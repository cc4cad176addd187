//! Estimators at their edges: each verdict changes at the very number, and figures worked out by
//! hand come out.

use exai_judge::Verdict;
use exai_judge::bounds::bootstrap::{quantile_bounds, ratio_bounds};
use exai_judge::rate_window::{Accepted, excess, stretches};
use exai_judge::recovery_time::{Probe, Window, sustained};
use exai_judge::shift::{LEAST, Shift, Threshold, Unit};
use exai_judge::slope::{Reduction, Slope, slope};
use exai_judge::timeline::Timeline;
use exai_judge::{bounds, units};

use crate::world::S;

const HOUR: u64 = 3_600 * S;
const WINDOW: Window = Window {
    length: 50,
    least: 3,
};

fn right(at: impl IntoIterator<Item = u64>) -> Vec<Probe> {
    let probe = |at| Probe { at, is_right: true };
    at.into_iter().map(probe).collect()
}

#[test]
fn service_is_sustained_by_a_window_as_long_and_as_full_as_asked_and_not_one_less() {
    let time = |at: &[u64], from, until| sustained(&right(at.to_vec()), from, until, WINDOW);
    assert_eq!(time(&[10, 30, 60], 0, 100), Some(10));
    assert_eq!(time(&[10, 30, 59], 0, 100), None, "one short");
    assert_eq!(time(&[10, 60], 0, 100), None, "one probe too few");
    assert_eq!(time(&[10, 30, 60], 10, 100), Some(0), "from counts");
    assert_eq!(time(&[10, 30, 60], 11, 100), None, "what came before");
    assert_eq!(time(&[10, 30, 60], 0, 61), Some(10));
    assert_eq!(time(&[10, 30, 60], 0, 60), None, "until does not count");
}

#[test]
fn a_wrong_probe_begins_the_count_anew() {
    let mut probes = right([10, 30, 40, 70, 80, 120]);
    probes[2].is_right = false;
    assert_eq!(sustained(&probes, 0, 200, WINDOW), Some(70));
    probes.truncate(5);
    assert_eq!(sustained(&probes, 0, 200, WINDOW), None);
}

fn taken(at: &[(u64, u64)]) -> Vec<Accepted> {
    let one = |(sent, received): &(u64, u64)| Accepted {
        sent: *sent,
        received: *received,
    };
    at.iter().map(one).collect()
}

#[test]
fn the_fullest_window_is_counted_from_the_first_sent_to_the_last_received() {
    let close = |seen: f64, wanted: f64| assert!((seen - wanted).abs() < 1e-9, "{seen}");
    close(excess(&[], 5.0), 0.0);
    close(excess(&taken(&[(0, S); 3]), 1.0), 2.0);
    // Two bursts of two, ten seconds apart, at one a second: each alone is the fullest.
    let apart = taken(&[(0, 0), (0, 0), (10 * S, 10 * S), (10 * S, 10 * S)]);
    close(excess(&apart, 1.0), 2.0);
    close(excess(&apart, 0.1), 3.0);
    // A reply that came late closes its window late.
    close(excess(&taken(&[(0, 3 * S), (S, 2 * S)]), 0.5), 0.5);
}

#[test]
fn a_stretch_is_unbroken_at_the_pause_and_long_enough_at_the_least() {
    let found = |refused: &[u64], least| {
        let accepted = taken(&[(0, 99), (0, 100), (90, 120), (100, 160), (100, 161)]);
        let found = stretches(&accepted, refused, (30, least));
        found
            .iter()
            .map(|one| (one.from, one.seconds, one.accepted))
            .collect::<Vec<_>>()
    };
    let whole = (100, 60.0 / 1e9, 3);
    assert_eq!(found(&[160, 100, 130], 60), [whole], "in any order");
    assert_eq!(found(&[100, 130, 160], 61), []);
    assert_eq!(found(&[100, 131, 161], 60), [], "a pause of 31");
    assert_eq!(found(&[100, 131, 161], 30), [(131, 30.0 / 1e9, 2)]);
    assert_eq!(found(&[100], 0), [], "one refusal is no stretch");
    assert_eq!(found(&[100, 130, 300, 330], 30).len(), 2);
}

fn shift(low: f64, high: f64) -> Shift {
    Shift {
        low,
        middle: f64::midpoint(low, high),
        high,
        confidence: 0.95,
    }
}

#[test]
fn a_change_up_to_the_threshold_is_borne_and_only_what_lies_wholly_beyond_fails() {
    use Verdict::{Fail, Inconclusive, Pass};
    let cases = [
        ("+10ms", (0.0, 10.0), Pass),
        ("+10ms", (0.0, 10.001), Inconclusive),
        ("+10ms", (10.0, 12.0), Inconclusive),
        ("+10ms", (10.001, 12.0), Fail),
        ("-10ms", (-10.0, 0.0), Pass),
        ("-10ms", (-10.001, 0.0), Inconclusive),
        ("-10ms", (-12.0, -10.0), Inconclusive),
        ("-10ms", (-12.0, -10.001), Fail),
        ("+0%", (-1.0, 0.0), Pass),
        ("+0%", (0.001, 1.0), Fail),
    ];
    for (line, (low, high), wanted) in cases {
        let line: Threshold = line.parse().unwrap();
        assert_eq!(shift(low, high).against(line), wanted, "{low} to {high}");
    }
}

#[test]
fn a_shift_is_measured_in_its_unit_between_enough_numbers_of_both_sides() {
    let first: Vec<f64> = (1..=5).map(f64::from).collect();
    let second: Vec<f64> = first.iter().map(|one| one * 2.0).collect();
    let apart = |unit| Shift::between(&first, &second, unit).unwrap();
    // The third and the third last of the 25 differences, and the 13th: -1 to 7, and 3.
    let millis = apart(Unit::Millis);
    assert_eq!((millis.low, millis.middle, millis.high), (-1.0, 3.0, 7.0));
    // The third quotient of all is 2/3, the third last 6; the middle one is 2.
    let percent = apart(Unit::Percent);
    assert!((percent.low + 100.0 / 3.0).abs() < 1e-9, "{percent:?}");
    assert!((percent.middle - 100.0).abs() < 1e-9, "{percent:?}");
    assert!((percent.high - 500.0).abs() < 1e-9, "{percent:?}");
    assert!(Shift::between(&first, &second[1..], Unit::Millis).is_none());
    assert!(Shift::between(&first[1..], &second, Unit::Millis).is_none());
    assert_eq!(first.len(), LEAST);
    for spoiled in [f64::NAN, f64::INFINITY] {
        let mut other = second.clone();
        other[2] = spoiled;
        assert!(Shift::between(&first, &other, Unit::Millis).is_none());
    }
    let mut nothing = first.clone();
    nothing[4] = 0.0;
    assert!(Shift::between(&nothing, &second, Unit::Percent).is_none());
    assert!(Shift::between(&nothing, &second, Unit::Points).is_some());
    assert!(Shift::between(&second, &nothing, Unit::Percent).is_some());
}

/// One sample an hour, each a block of its own.
fn hourly(levels: &[u64], blocks: usize) -> Option<Slope> {
    let sample = |(hour, level): (usize, &u64)| (hour as u64 * HOUR, *level);
    let mut samples: Vec<_> = levels.iter().enumerate().map(sample).collect();
    let (at, level) = *samples.last()?;
    // A last block counts once it is half full, and the very last sample is a stub of its own.
    samples.extend([(at + HOUR / 2, level), (at + HOUR / 2 + 1, level)]);
    let reduction = Reduction {
        minute: 1,
        warm_up: 0,
        block: HOUR,
        blocks,
    };
    slope(&samples, reduction)
}

fn assert_slope(seen: &Slope, (low, per_hour, high, level): (f64, f64, f64, f64)) {
    let is_close = |seen: f64, wanted: f64| (seen - wanted).abs() < 1e-6;
    assert!(is_close(seen.per_hour, per_hour), "{seen:?}");
    assert!(is_close(seen.lower, low), "{seen:?}");
    assert!(is_close(seen.upper, high), "{seen:?}");
    assert!(is_close(seen.level, level), "{seen:?}");
}

#[test]
fn a_line_through_four_levels_has_the_slope_and_bounds_worked_out_by_hand() {
    let rising = hourly(&[100, 112, 118, 130], 4).unwrap();
    assert_slope(&rising, (7.122_297_839, 9.6, 12.077_702_161, 115.0));
    assert!(rising.rises);
    let jumping = hourly(&[100, 130, 112, 130], 4).unwrap();
    assert_slope(&jumping, (-11.007_318_089, 7.2, 25.407_318_089, 118.0));
    assert!(!jumping.rises, "three more rises than falls may be luck");
    assert!(!hourly(&[130, 118, 112, 100], 4).unwrap().rises, "a fall");
    assert!(hourly(&[100, 112, 118, 130], 5).is_none(), "a block short");
    assert!(hourly(&[100, 112], 2).is_none(), "two points are no line");
    assert!(!hourly(&[100, 100, 100], 3).unwrap().rises);
}

#[test]
fn falls_speak_against_a_rise_and_ties_for_neither() {
    // 28 of the 45 pairs rise and 17 fall: luck may do that; 37 rise and 8 are ties: it may not.
    let jagged = hourly(&[105, 101, 109, 103, 107, 102, 108, 104, 110, 106], 7);
    assert!(!jagged.unwrap().rises);
    let stairs = hourly(&[101, 101, 101, 102, 102, 103, 103, 104, 104, 104], 7);
    assert!(stairs.unwrap().rises);
}

#[test]
fn residuals_that_hang_together_double_the_margin() {
    let curve: Vec<u64> = (0..14).map(|hour| hour * hour).collect();
    let bent = hourly(&curve, 7).unwrap();
    assert_slope(&bent, (9.319_116_628, 13.0, 16.680_883_372, 58.5));
    // Half of what they could hang together is not yet too much: ten points of the same curve.
    let short = hourly(&curve[..10], 7).unwrap();
    assert_slope(&short, (7.336_365_425, 9.0, 10.663_634_575, 28.5));
    let long: Vec<u64> = (0..20).map(|hour| hour * hour).collect();
    let long = hourly(&long, 7).unwrap();
    assert_slope(&long, (14.683_781_655, 19.0, 23.316_218_345, 123.5));
}

#[test]
fn levels_are_medians_after_the_warm_up_and_half_a_block_at_the_end_is_one() {
    let of = |until: u64| {
        let samples: Vec<_> = (0..=until)
            .map(|minute| (minute * 60 * S, minute))
            .collect();
        let reduction = Reduction {
            minute: 60 * S,
            warm_up: 600 * S,
            block: 600 * S,
            blocks: 3,
        };
        slope(&samples, reduction).map(|slope| slope.medians)
    };
    let levels = |until| -> Vec<f64> {
        let medians = of(until).unwrap();
        medians.iter().map(|(_, level)| *level).collect()
    };
    // The last sample is the stub of a minute, and is left out.
    assert_eq!(levels(40), [15.0, 25.0, 35.0]);
    assert_eq!(levels(45), [15.0, 25.0, 35.0], "four of ten minutes");
    assert_eq!(levels(46), [15.0, 25.0, 35.0, 43.0], "five of ten");
    let hours: Vec<f64> = of(40).unwrap().iter().map(|(hour, _)| *hour).collect();
    let close = |(seen, wanted): (&f64, f64)| (seen - wanted).abs() < 1e-9;
    let wanted = [1.0 / 6.0, 2.0 / 6.0, 3.0 / 6.0];
    assert!(hours.iter().zip(wanted).all(close), "{hours:?}");
}

#[test]
fn a_staircase_tells_its_busy_time_its_chart_and_where_a_level_was_held() {
    let line = Timeline::new([(10, 20), (15, 30), (40, 50)].into_iter());
    assert_eq!((line.busy(), line.peak()), (30, 2));
    let seen = [9, 10, 14, 15, 19, 20, 29, 30, 40, 50].map(|when| line.at(when));
    assert_eq!(seen, [0, 1, 1, 2, 2, 1, 1, 0, 1, 0]);
    // 2 stand from 15 to 20: half of a piece of 10, and less than half of any of 20.
    assert_eq!(line.held(10), (2, 15));
    assert_eq!(line.held(20).0, 1);
    assert_eq!((line.median(10, 20), line.median(10, 21)), (2, 1));
    let nanos = |at: f64| at / 1e9;
    let chart = [(0.0, 2.0), (20.0, 1.0), (40.0, 1.0)];
    assert_eq!(line.chart(20), chart.map(|(at, level)| (nanos(at), level)));
}

#[test]
fn the_middle_of_an_even_count_is_the_lower_of_the_two() {
    assert_eq!(units::middle::<u64>(&[]), None);
    assert_eq!(units::middle(&[3]), Some(3));
    assert_eq!(units::middle(&[3, 5]), Some(3));
    assert_eq!(units::middle(&[3, 5, 9]), Some(5));
}

#[test]
fn a_share_is_told_in_two_digits_that_are_never_too_small() {
    let cases = [
        (0.0, "0 %"),
        (1.0, "100 %"),
        (0.5, "50 %"),
        (0.123, "13 %"),
        (0.012_3, "1.3 %"),
        (0.000_997, "0.1 %"),
        (0.000_061, "0.0061 %"),
        (0.1, "10 %"),
        (0.01, "1 %"),
    ];
    for (share, wanted) in cases {
        assert_eq!(bounds::percent_up(share), wanted, "{share}");
    }
    let grouped = [0, 999, 1_000, 12_345, 1_000_000].map(bounds::grouped);
    assert_eq!(grouped, ["0", "999", "1 000", "12 345", "1 000 000"]);
}

#[test]
fn the_gap_of_two_quantiles_is_bounded_in_time_beside_their_ratio() {
    let calm: Vec<(u64, u64)> = (0..3_000).map(|at| (at * 3_000_000, 1_000)).collect();
    let slow: Vec<(u64, u64)> = calm.iter().map(|(at, took)| (*at, took + 500)).collect();
    let ratio = ratio_bounds(&slow, &calm, bounds::P95).unwrap();
    assert_eq!((ratio.gap_lower, ratio.gap_upper), (500.0, 500.0));
    assert_eq!((ratio.lower, ratio.upper), (1.5, 1.5));
    let ratio = ratio_bounds(&calm, &slow, bounds::P95).unwrap();
    assert_eq!((ratio.gap_lower, ratio.gap_upper), (-500.0, -500.0));
}

/// The draws are seeded: another machine, and a later build, must come to the same numbers. These
/// were worked out by another program from the same rules.
#[test]
fn the_bootstrap_draws_the_same_blocks_for_ever() {
    let took = |index: u64| 1_000_000 + index * 7_919 % 9_973 * 1_000 + index / 500 * 40_000;
    let samples: Vec<_> = (0..6_000).map(|at| (at * 7_000_000, took(at))).collect();
    let seen = [0.5, 0.95, 0.99].map(|share| quantile_bounds(&samples, share).unwrap());
    let wanted = [
        (6_167_000, 6_248_000),
        (10_648_000, 10_732_000),
        (11_068_000, 11_171_000),
    ];
    assert_eq!(seen, wanted);
    let ratio = ratio_bounds(&samples[3_000..], &samples[..3_000], 0.95).unwrap();
    assert_eq!((ratio.gap_lower, ratio.gap_upper), (165_000.0, 290_000.0));
}

#[test]
fn bounds_of_a_rate_have_their_closed_form_where_there_is_one() {
    let root = |share: f64| share.powf(1.0 / 20.0);
    let cases = [
        (bounds::rate_lower(1, 20), 1.0 - root(0.95)),
        (bounds::rate_lower(20, 20), root(0.05)),
        (bounds::rate_upper(0, 20), 1.0 - root(0.05)),
        (bounds::rate_upper(19, 20), root(0.95)),
        (bounds::rate_lower(0, 20), 0.0),
        (bounds::rate_lower(0, 0), 0.0),
        (bounds::rate_upper(20, 20), 1.0),
    ];
    for (index, (seen, wanted)) in cases.into_iter().enumerate() {
        assert!((seen - wanted).abs() < 1e-9, "{index}: {seen}, {wanted}");
    }
}

#[test]
fn a_rate_fails_from_the_first_count_that_luck_would_not_bring() {
    let cases = [
        (10, 0.5, 9),
        (299, 0.01, 7),
        (3_000, 0.01, 40),
        (10_000, 0.001, 16),
    ];
    for (n, line, bad) in cases {
        assert_eq!(
            bounds::rate_verdict(bad, n, line),
            Verdict::Fail,
            "{bad} of {n}"
        );
        let fewer = bounds::rate_verdict(bad - 1, n, line);
        assert_eq!(fewer, Verdict::Inconclusive, "one fewer of {n}");
    }
    assert_eq!(bounds::rate_verdict(10, 10, 0.5), Verdict::Fail);
    assert_eq!(bounds::rate_verdict(0, 0, 0.5), Verdict::Inconclusive);
}

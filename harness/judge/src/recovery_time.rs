//! Time to sustained service: the start of the first window in which every probe is right.

/// One probe of a component: when it was meant to be sent, and whether its answer was right.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Probe {
    /// ns.
    pub at: u64,
    /// Right, and answered by what replaced the killed thing.
    pub is_right: bool,
}

/// What confirms that service is sustained.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// How long every probe must be right, ns.
    pub length: u64,
    /// Fewer probes than this confirm nothing.
    pub least: u64,
}

/// Nanoseconds from `from` to the start of the first confirmation window that ends before `until`;
/// None when there is none: never recovered.
#[must_use]
pub fn sustained(probes: &[Probe], from: u64, until: u64, window: Window) -> Option<u64> {
    let mut begin = None;
    let mut count = 0;
    for probe in probes
        .iter()
        .filter(|probe| from <= probe.at && probe.at < until)
    {
        if !probe.is_right {
            begin = None;
            count = 0;
            continue;
        }
        let started = *begin.get_or_insert(probe.at);
        count += 1;
        if count >= window.least && probe.at - started >= window.length {
            return Some(started - from);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    const WINDOW: Window = Window {
        length: 50,
        least: 5,
    };

    fn probes(right: impl Fn(u64) -> bool) -> Vec<Probe> {
        (0..30)
            .map(|index| Probe {
                at: index * 10,
                is_right: right(index),
            })
            .collect()
    }

    #[test]
    fn service_is_sustained_from_the_first_probe_of_an_unbroken_window() {
        let back = probes(|index| index >= 7);
        assert_eq!(sustained(&back, 0, 300, WINDOW), Some(70));
        assert_eq!(sustained(&back, 30, 300, WINDOW), Some(40));
        let flapping = probes(|index| index >= 7 && index != 11);
        assert_eq!(sustained(&flapping, 0, 300, WINDOW), Some(120));
    }

    #[test]
    fn a_window_cut_off_or_too_thin_confirms_nothing() {
        let back = probes(|index| index >= 7);
        assert_eq!(
            sustained(&back, 0, 120, WINDOW),
            None,
            "the next kill came first"
        );
        let thin = Window {
            length: 50,
            least: 7,
        };
        assert_eq!(sustained(&back[..14], 0, 300, thin), Some(70));
        assert_eq!(sustained(&back[..13], 0, 300, thin), None);
        assert_eq!(sustained(&probes(|_| false), 0, 300, WINDOW), None);
        assert_eq!(sustained(&[], 0, 300, WINDOW), None);
    }
}

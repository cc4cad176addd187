//! What the collectors say when they watch the second instance, as the judge is to hear it.

use exai_judge::Event;

/// The process whose samples these are.
const CONTROL: &str = "control";
/// What the sampler calls the judged component.
const SERVER: &str = "server";

/// The event under the second instance's own name; None for what would be mistaken for the first's,
/// and for critical errors of the kind that is swallowed.
pub(super) fn said_of_control(event: Event, swallowed: Option<&str>) -> Option<Event> {
    match event {
        Event::Critical { what, .. } if Some(what.as_str()) == swallowed => None,
        Event::Sample(mut sample) if sample.process == SERVER => {
            CONTROL.clone_into(&mut sample.process);
            Some(Event::Sample(sample))
        }
        Event::Critical { what, detail, .. } => Some(Event::Critical {
            what,
            detail,
            control: true,
        }),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use exai_judge::observation::Sample;

    use super::*;

    #[test]
    fn nothing_said_of_the_second_instance_can_be_mistaken_for_the_first() {
        let sample = |process: &str| {
            Event::Sample(Sample {
                process: process.to_owned(),
                pid: 1,
                resident_bytes: 2,
                descriptors: 3,
                threads: 4,
                cpu_ms: 5,
                wait_ms: 0,
                connections: None,
            })
        };
        let said = |event| said_of_control(event, None);
        assert_eq!(said(sample("server")), Some(sample("control")));
        assert_eq!(said(sample("rig")), None);
        let critical = |control| Event::Critical {
            what: "panic".to_owned(),
            detail: "boom".to_owned(),
            control,
        };
        assert_eq!(said(critical(false)), Some(critical(true)));
        assert_eq!(said_of_control(critical(false), Some("panic")), None);
        let other = said_of_control(critical(false), Some("unordered_exit"));
        assert_eq!(other, Some(critical(true)));
        let figure = Event::Figure {
            name: "x".to_owned(),
            value: 1.0,
            unit: "s".to_owned(),
        };
        assert_eq!(said(figure), None);
    }
}

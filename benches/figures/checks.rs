//! Checks from memory beside a handler that does nothing, behind the same middleware.

use tempfile::tempdir;

use crate::report::{Figure, Goal, Report};
use crate::roles;
use crate::rounds::{Sample, in_turns};
use crate::service::{Service, Session};
use crate::settings::{Cores, Settings};
use crate::wrk::Request;

const CONNECTIONS: u32 = 64;

/// Each service is compared twice: sharing all cores with the load, as on a small machine; and alone on
/// one core while the load has the others, so that the load's own work doesn't blur the difference.
pub async fn measure(
    services: &[(&Service, &Session)],
    workers: usize,
    settings: &Settings,
    report: &mut Report,
) {
    let dir = tempdir().unwrap();
    let empty = roles::empty_handler(workers, dir.path());
    let questions: Vec<_> =
        services.iter().map(|(service, session)| service.question(session, "check")).collect();
    for question in &questions {
        let (status, answer) = question.send().await;
        assert!(status == 200 && answer.contains("permit"), "{status}: {answer}");
    }
    let asked = questions.first().expect("somebody is compared").body.clone();
    // The same headers too, the credential included.
    let nothing = Request::new(&empty.line, services.first().map(|(service, _)| &*service.key), &[], &asked);
    let subjects: Vec<&Request> = std::iter::once(&nothing).chain(&questions).collect();

    report.part(format!("Checks from memory, {CONNECTIONS} connections, beside an empty handler"));
    for (server, load, where_) in [
        (Cores::First, Cores::Others, "on a core of its own"),
        (Cores::All, Cores::All, "sharing cores with the load"),
    ] {
        empty.pin(server);
        for (service, _) in services {
            service.pin(server);
        }
        let repeat = |request: &Request| -> Sample { request.repeat(CONNECTIONS, settings.seconds, load) };
        let series = in_turns(settings.rounds, &subjects, async |request| repeat(request)).await;
        let [base, checks @ ..] = series.as_slice() else { unreachable!() };
        for (checks, (service, _)) in checks.iter().zip(services) {
            let what = format!("checks, {}, {where_}", service.name);
            report.add(Figure::rates(&what, checks, base, Some(Goal::AtLeast(0.8))));
        }
    }
}

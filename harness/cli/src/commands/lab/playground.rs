//! The running lab itself: sets a step up and prints its verdicts, again whenever a file is saved.

use std::collections::BTreeSet;
use std::process::ExitCode;

use tokio::net::UnixStream;
use tokio::net::unix::SocketAddr;
use tokio::sync::mpsc;
use tracing::warn;
use verdikt_lab::control::{LabAnswer, LabRequest};
use verdikt_runner::backend::{AttemptNumbers, Backend as _, reason};
use verdikt_runner::lab::LabBackend;
use verdikt_runner::plan::{RunOptions, StepHistory};
use verdikt_runner::run::StepRun;
use verdikt_scenario::flow::Flow;
use verdikt_scenario::policy::ObjectRef;
use verdikt_scenario::topology::Endpoint;
use verdikt_verdict::event::Event;

use super::clients::{ClientId, Clients, answer};
use super::shown::{Verdicts, changes, in_force, refusals, show, verdicts, welcome};
use super::subject::LabSubject;
use super::told::{self, ClientRequest};
use crate::arguments::LabArguments;
use crate::failure::Failure;
use crate::lab_use::{enter, no_lab};
use crate::printer::Printer;
use crate::runtime::runtime;
use crate::signals;
use crate::watch::Watch;

pub(super) fn play(arguments: &LabArguments, printer: &Printer) -> Result<ExitCode, Failure> {
    let subject = LabSubject::read(arguments, printer)?;
    enter().map_err(|obstacle| no_lab(&obstacle))?;
    runtime()?.block_on(keep_up(arguments, subject, printer))
}

fn cannot_start(error: &std::io::Error) -> Failure {
    Failure::machine("cannot start the lab").cause(error).limited_by(error)
}

async fn keep_up(
    arguments: &LabArguments,
    subject: LabSubject,
    printer: &Printer,
) -> Result<ExitCode, Failure> {
    let signals = signals::hold();
    let options = RunOptions { version: arguments.cilium, ..RunOptions::default() };
    let backend = LabBackend::open(verdikt_probe::probe::over, options.timeout).await;
    let mut backend = backend.map_err(|error| Failure::from_error(&error))?;
    let (tells, flows) = mpsc::unbounded_channel();
    backend.follow(tells);
    let listener = told::listen(&subject.scenario.name).map_err(|error| cannot_start(&error))?;
    let mut watch = Watch::start()?;
    let (leaving, mut left) = mpsc::unbounded_channel();
    let (asks, mut asked) = mpsc::unbounded_channel();
    let mut playground = Playground {
        arguments,
        options,
        backend,
        flows,
        clients: Clients::new(leaving),
        subject,
        numbers: AttemptNumbers::default(),
        past: StepHistory::default(),
        before: Verdicts::default(),
        in_force: BTreeSet::new(),
    };
    let stop = signals.asked();
    tokio::pin!(stop);
    playground.bring_up(printer, &mut watch).await?;
    loop {
        tokio::select! {
            () = &mut stop => return Ok(ExitCode::SUCCESS),
            _ = playground.backend.next() => {}
            Some(flow) = playground.flows.recv() => playground.broadcast(flow).await,
            accepted = listener.accept() => accept(accepted, &asks),
            Some(asked) = asked.recv() => playground.obey(asked).await,
            Some(client) = left.recv() => playground.leave(client).await?,
            names = watch.changed() => playground.saved(&names, printer, &mut watch).await?,
        }
    }
}

fn accept(accepted: std::io::Result<(UnixStream, SocketAddr)>, asks: &mpsc::UnboundedSender<ClientRequest>) {
    let stream = match accepted {
        Ok((stream, _)) => stream,
        Err(error) => return warn!(%error, "cannot accept a client of the lab"),
    };
    let asks = asks.clone();
    tokio::spawn(async move {
        if let Some(ask) = told::asked(stream).await {
            // The receiver is gone only while the lab ends.
            let _ = asks.send(ask);
        }
    });
}

/// A running lab, and what is kept from one save to the next.
struct Playground<'a> {
    arguments: &'a LabArguments,
    options: RunOptions,
    backend: LabBackend,
    flows: mpsc::UnboundedReceiver<Flow>,
    clients: Clients,
    subject: LabSubject,
    numbers: AttemptNumbers,
    past: StepHistory,
    before: Verdicts,
    /// The objects of which a version is in force.
    in_force: BTreeSet<ObjectRef>,
}

impl Playground<'_> {
    /// Applies the step for the first time, and prints the result.
    async fn bring_up(&mut self, printer: &Printer, watch: &mut Watch) -> Result<(), Failure> {
        let events = self.try_out().await?;
        show(&events, printer)?;
        self.before = verdicts(&events);
        self.in_force = in_force(&events, &self.in_force);
        let follows = self.watch_files(watch)?;
        Printer::data(&welcome(&self.backend, self.subject.step(), follows))
    }

    /// Makes the attempts of the step's table.
    async fn try_out(&mut self) -> Result<Vec<Event>, Failure> {
        let mut events = Vec::new();
        let mut sink = |event| {
            events.push(event);
            Ok(())
        };
        let (scenario, step) = (&self.subject.scenario, self.subject.step());
        let run = StepRun { scenario, step, options: &self.options, numbers: &self.numbers };
        let left = run.run(&mut self.backend, &self.past, &mut sink).await;
        self.past = left.map_err(|error| Failure::from_error(&error))?;
        Ok(events)
    }

    /// Reads everything again after files were saved, and applies it unless it has mistakes.
    async fn saved(
        &mut self,
        names: &BTreeSet<String>,
        printer: &Printer,
        watch: &mut Watch,
    ) -> Result<(), Failure> {
        if names.is_empty() {
            return Ok(());
        }
        match LabSubject::read(self.arguments, printer) {
            Ok(subject) => self.subject = subject,
            Err(failure) => {
                printer.failure(&failure);
                Printer::tell("the old policies stay in force\n");
                return Ok(());
            }
        }
        let events = self.try_out().await?;
        let now = verdicts(&events);
        let refused = refusals(&events, &self.in_force);
        Printer::data(&changes(names, &self.before, &now, refused))?;
        self.before = now;
        self.in_force = in_force(&events, &self.in_force);
        self.watch_files(watch).map(|_| ())
    }

    /// Watches the files of the step. Returns whether that is possible.
    fn watch_files(&self, watch: &mut Watch) -> Result<bool, Failure> {
        let Some(folders) = self.subject.folders(self.arguments) else { return Ok(false) };
        watch.folders(&folders)?;
        Ok(true)
    }

    async fn broadcast(&mut self, flow: Flow) {
        let followed = told::followed(&self.backend, flow);
        self.clients.broadcast(followed).await;
    }

    /// Handles a client's request.
    async fn obey(&mut self, ClientRequest { ask, read, mut write }: ClientRequest) {
        // A client that is gone needs no answer; it is removed with the next flow.
        match ask {
            LabRequest::Flows => {
                let following = told::following(&self.backend, &self.subject.scenario.name);
                // A client that has gone needs no answer.
                let _ = answer(&mut write, &following).await;
                self.clients.follow(read, write);
            }
            LabRequest::Inside { endpoint, ports } => {
                let inside = match told::endpoint(&self.backend, &endpoint) {
                    Ok(endpoint) => self.take_ports(&endpoint, &ports).await.map(|ports| (endpoint, ports)),
                    Err(refusal) => Err(refusal),
                };
                match inside {
                    Ok((endpoint, ports)) => {
                        let topology = &self.subject.step().topology;
                        // As above.
                        let _ = answer(&mut write, &told::inside(&self.backend, topology, &endpoint)).await;
                        if !ports.is_empty() {
                            self.clients.take(ports, read, write);
                        }
                    }
                    // As above.
                    Err(refusal) => drop(answer(&mut write, &refusal).await),
                }
            }
        }
    }

    /// Stops serving these ports of an endpoint, unless another client has them.
    async fn take_ports(
        &mut self,
        endpoint: &Endpoint,
        ports: &[u16],
    ) -> Result<BTreeSet<(Endpoint, u16)>, LabAnswer> {
        let mut taken = self.clients.taken();
        let wanted: BTreeSet<_> = ports.iter().map(|port| (endpoint.clone(), *port)).collect();
        if let Some((_, port)) = wanted.iter().find(|port| taken.contains(port)) {
            return Err(told::refuse(format!("another program already serves port {port} of {endpoint}")));
        }
        if !wanted.is_empty() {
            taken.extend(wanted.iter().cloned());
            let left = self.backend.leave_ports(taken).await;
            left.map_err(|error| told::refuse(reason(&error)))?;
        }
        Ok(wanted)
    }

    /// Disconnects a client: a follower gets the remaining flows, and its ports are served by the lab again.
    async fn leave(&mut self, client: ClientId) -> Result<(), Failure> {
        if self.clients.follows(client) {
            self.backend.catch_up().await.map_err(|error| Failure::from_error(&error))?;
            while let Ok(flow) = self.flows.try_recv() {
                self.broadcast(flow).await;
            }
        }
        let before = self.clients.taken();
        if self.clients.leave(client) {
            let now = self.clients.taken();
            let free: BTreeSet<_> = before.difference(&now).cloned().collect();
            if let Err(error) = self.backend.leave_ports(now).await {
                Printer::tell(&format!("{}; the port stays free until the lab ends\n", reason(&error)));
                self.clients.keep(free);
                let kept = self.backend.leave_ports(self.clients.taken()).await;
                kept.map_err(|error| Failure::from_error(&error))?;
            }
        }
        Ok(())
    }
}

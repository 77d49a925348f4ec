//! Where a run takes place: as wished, or in the lab if there can be one.

use verdikt_cluster::image::AgentImage;
use verdikt_kind::cluster::{Options, load_archive};
use verdikt_runner::backend::reason;
use verdikt_scenario::version::CiliumVersion;

use super::cluster::{Session, Settings, agent_image};
use crate::arguments::{Backend, Run};
use crate::commands::cluster::{bring_up, failure, named, phases};
use crate::failure::Failure;
use crate::printer::Printer;

pub(super) enum Ground {
    Model,
    Lab,
    Cluster(Box<Session>),
}

impl Ground {
    pub(super) fn choose(arguments: &Run, printer: &Printer) -> Result<Self, Failure> {
        let settings = Settings {
            registry: arguments.registry.clone(),
            world: arguments.world.place(),
            borrowed: arguments.borrow.iter().cloned().collect(),
            keep: arguments.keep,
            evidence: arguments.evidence.clone(),
        };
        match &arguments.on {
            Some(Backend::Model) => Ok(Self::Model),
            Some(Backend::Lab) => match verdikt_lab::enter::enter() {
                Ok(_) => Ok(Self::Lab),
                Err(obstacle) => Err(Failure::machine("there can be no lab here")
                    .cause(&reason(&obstacle))
                    .hint("`--on model` evaluates with the engine alone")),
            },
            None => match verdikt_lab::enter::enter() {
                Ok(_) => Ok(Self::Lab),
                Err(obstacle) => {
                    printer.note(&format!("model instead of lab: {}", reason(&obstacle)));
                    Ok(Self::Model)
                }
            },
            Some(Backend::Cluster(context)) => {
                Ok(Self::Cluster(Box::new(Session::open(context.clone(), None, &settings)?)))
            }
            Some(Backend::Kind(name)) => {
                let (context, image) = kind(name)?;
                // With a registry, pods call the image by a name of that registry.
                let image = settings.registry.is_none().then_some(image);
                Ok(Self::Cluster(Box::new(Session::open(Some(context), image, &settings)?)))
            }
        }
    }

    /// The Cilium version of a run: that of the cluster, or the one that is asked for.
    pub(super) fn version(&self, asked: Option<CiliumVersion>) -> Result<CiliumVersion, Failure> {
        let Self::Cluster(session) = self else { return Ok(asked.unwrap_or_default()) };
        let is = session.version();
        match asked.filter(|asked| *asked != is) {
            None => Ok(is),
            Some(asked) => Err(Failure::wrong(format!("the cluster runs Cilium {is}, and not {asked}"))
                .hint("leave `--cilium` out: predictions are for the Cilium of the cluster")),
        }
    }
}

/// Brings the cluster of a profile up, with the agent's image on its nodes; its context, and the image.
fn kind(name: &str) -> Result<(String, AgentImage), Failure> {
    let profile = named(name)?;
    let mut progress = phases();
    let up = bring_up(&profile, &Options::default(), &mut progress)?;
    progress("load the image of the agent");
    let built = agent_image(None)?;
    // In a place of this process's own: the archive has to be a file.
    let archive = std::env::temp_dir().join(format!("verdikt-agent-{}.tar", std::process::id()));
    std::fs::write(&archive, &built.archive)
        .map_err(|error| Failure::file("write the image of the agent", &archive, &error))?;
    let loaded = load_archive(&profile, &archive).map_err(|error| failure(&error));
    // A file that stays is small, and the system's to remove.
    let _ = std::fs::remove_file(&archive);
    loaded?;
    Ok((up.context, built.image))
}

//! `verdikt images`: every container image that the profiles need.

use std::fmt::Write as _;
use std::process::ExitCode;

use serde_json::{Value, json};
use verdikt_kind::image::Image;
use verdikt_kind::versions::versions;
use verdikt_scenario::version::CiliumVersion;

use crate::arguments::ImagesArguments;
use crate::cluster_use::probe_image;
use crate::failure::Failure;
use crate::printer::Printer;

pub(crate) fn images(
    ImagesArguments { cilium, json, probe, registry }: &ImagesArguments,
) -> Result<ExitCode, Failure> {
    if let Some(path) = probe {
        let built = probe_image(registry.as_deref())?;
        std::fs::write(path, &built.archive)
            .map_err(|error| Failure::file("write the image of the probe", path, &error))?;
        Printer::data(&format!("{}\n", built.image.reference))?;
        return Ok(ExitCode::SUCCESS);
    }
    let rows: Vec<ImageRow> = versions()
        .cilium
        .iter()
        .filter(|(minor, _)| cilium.is_none_or(|wanted| wanted == **minor))
        .flat_map(|(minor, release)| {
            let node = [("node", &versions().kubernetes[&release.kubernetes])];
            node.into_iter().chain(release.images.by_role()).map(|(role, image)| (*minor, role, image))
        })
        .collect();
    if *json {
        let rows: Vec<Value> = rows.iter().map(row_as_json).collect();
        Printer::json(&format!("{:#}\n", Value::Array(rows)))?;
    } else {
        Printer::data(&table(&rows))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// A Cilium minor, the role of an image there, and the image.
type ImageRow = (CiliumVersion, &'static str, &'static Image);

fn row_as_json((minor, role, image): &ImageRow) -> Value {
    json!({
        "cilium": minor,
        "role": role,
        "image": image.name,
        "tag": image.tag,
        "digest": image.digest,
        "verified": image.verified,
        "reference": image.to_string(),
    })
}

fn table(rows: &[ImageRow]) -> String {
    let mut text = String::new();
    for (minor, role, image) in rows {
        let note = match (&image.tag, &image.digest, image.verified) {
            (None, ..) => "  (the chart knows the tag)",
            (_, None, _) => "  (the digest could not be read)",
            (_, _, false) => "  (the digest was not read at its source)",
            (_, _, true) => "",
        };
        let _ = writeln!(text, "Cilium {minor}  {role:<8}  {image}{note}");
    }
    text
}

//! The JSON form of Hubble's events, as `hubble observe -o jsonpb` prints it: one response a line.
//!
//! Enumerations are written by name or number, 64-bit numbers as strings, times as RFC 3339.
//! <https://protobuf.dev/programming-guides/json/>

use crate::messages::{Flow, GetFlowsResponse};

/// Why a line cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum LineError {
    /// It is not JSON, or a field is of another type.
    #[error("not an event of Hubble")]
    Json(#[from] serde_json::Error),
    /// It has neither a flow nor anything else.
    #[error("not an event of Hubble: it has no `flow`, `node_status` or `lost_events`")]
    NoEvent,
}

/// Reads one line. A flow without the response around it, as `-o json` of old versions prints it, will do.
pub fn line(text: &str) -> Result<GetFlowsResponse, LineError> {
    let response: GetFlowsResponse = serde_json::from_str(text)?;
    if response.flow.is_some() || response.node_status.is_some() || response.lost_events.is_some() {
        return Ok(response);
    }
    let flow: Flow = serde_json::from_str(text)?;
    if flow.event_type.is_none() {
        return Err(LineError::NoEvent);
    }
    Ok(GetFlowsResponse {
        node_name: flow.node_name.clone(),
        time: flow.time,
        flow: Some(flow),
        ..GetFlowsResponse::default()
    })
}

#[cfg(test)]
mod tests;

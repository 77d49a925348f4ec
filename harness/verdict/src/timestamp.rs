//! A point in time as logs and reports write it. Callers read the clock; here time is data.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use chrono::{DateTime, SecondsFormat, Utc};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

/// A point in time in UTC, in milliseconds: `2026-11-28T06:45:00.250Z`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Timestamp(DateTime<Utc>);

impl Timestamp {
    /// The time this long after the start of 1970; none if it is beyond the calendar.
    pub fn since_1970(time: Duration) -> Option<Self> {
        let milliseconds = i64::try_from(time.as_millis()).ok()?;
        DateTime::from_timestamp_millis(milliseconds).map(Self)
    }

    /// The time as a `chrono` type, for other crates.
    pub fn to_date_time(self) -> DateTime<Utc> {
        self.0
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0.to_rfc3339_opts(SecondsFormat::Millis, true))
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl JsonSchema for Timestamp {
    fn schema_name() -> Cow<'static, str> {
        "Timestamp".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "string", "format": "date-time"})
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let moment = DateTime::parse_from_rfc3339(&text).map_err(D::Error::custom)?;
        Ok(Self(moment.to_utc()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn milliseconds_are_kept() {
        let moment = Timestamp::since_1970(Duration::from_millis(1_795_848_300_250)).unwrap();
        assert_eq!(moment.to_string(), "2026-11-28T06:45:00.250Z");
        assert_eq!(serde_json::from_str::<Timestamp>("\"2026-11-28T07:45:00.250+01:00\"").unwrap(), moment);
        assert!(Timestamp::since_1970(Duration::MAX).is_none());
    }
}

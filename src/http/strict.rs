//! Objects, and nothing that could be read as one: the derive would take a list of a struct's fields too.

use std::fmt;
use std::marker::PhantomData;
use std::ops::Deref;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};

/// Read from a JSON object only.
#[derive(Debug)]
pub(super) struct Strict<T>(pub(super) T);

impl<T> Deref for Strict<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Strict<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Objects(PhantomData)).map(Self)
    }
}

struct Objects<T>(PhantomData<fn() -> T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for Objects<T> {
    type Value = T;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<T, A::Error> {
        T::deserialize(MapAccessDeserializer::new(map))
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize as Derive;

    use super::*;

    #[derive(Debug, Derive)]
    #[serde(deny_unknown_fields)]
    struct Point {
        x: u8,
    }

    #[test]
    fn list_of_fields_is_no_object() {
        assert_eq!(serde_json::from_str::<Strict<Point>>(r#"{"x":7}"#).unwrap().x, 7);
        for text in ["[7]", "7", "null", r#""x""#] {
            let refused = serde_json::from_str::<Strict<Point>>(text).unwrap_err();
            assert!(refused.to_string().contains("expected an object"), "{refused}");
        }
    }
}

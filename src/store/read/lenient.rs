//! Taking JSON apart without insisting on its shape.
//!
//! serde gives up at the first value of another type than expected. Results come from other
//! tools and other years, so each place here says what it can use ([`Take`]) and is told, not
//! failed, when it finds something else. Only text that is no JSON at all is an error.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// A value that is neither list nor object.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Scalar<'a> {
    Null,
    Bool(bool),
    Number(f64),
    Text(&'a str),
}

impl Scalar<'_> {
    /// Returns what it is, for a message.
    pub(super) fn describe(self) -> String {
        match self {
            Scalar::Null => "null".to_owned(),
            Scalar::Bool(value) => value.to_string(),
            Scalar::Number(value) => value.to_string(),
            Scalar::Text(text) => format!("the text {text:?}"),
        }
    }
}

/// What one place of a document makes of the value it finds.
pub(super) trait Take<'de>: Sized {
    /// What comes out.
    type Out;

    /// Takes a value of a type this place has no use for.
    fn other(self, found: &str) -> Self::Out;

    /// Takes text, a number, a truth value or null.
    fn scalar(self, value: Scalar<'_>) -> Self::Out {
        self.other(&value.describe())
    }
    /// Takes a list, to its end.
    fn list<A: SeqAccess<'de>>(self, list: A) -> Result<Self::Out, A::Error> {
        skip_list(list)?;
        Ok(self.other("a list"))
    }
    /// Takes an object, to its end.
    fn object<A: MapAccess<'de>>(self, object: A) -> Result<Self::Out, A::Error> {
        skip_object(object)?;
        Ok(self.other("an object"))
    }
}

/// Reads a list to its end.
pub(super) fn skip_list<'de, A: SeqAccess<'de>>(mut list: A) -> Result<(), A::Error> {
    while list.next_element::<IgnoredAny>()?.is_some() {}
    Ok(())
}

/// Reads an object to its end.
pub(super) fn skip_object<'de, A: MapAccess<'de>>(mut object: A) -> Result<(), A::Error> {
    while object.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
    Ok(())
}

/// Makes a [`Take`] something serde can be handed.
pub(super) struct Lenient<T>(pub(super) T);

impl<'de, T: Take<'de>> DeserializeSeed<'de> for Lenient<T> {
    type Value = T::Out;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<T::Out, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de, T: Take<'de>> Visitor<'de> for Lenient<T> {
    type Value = T::Out;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }
    fn visit_unit<E>(self) -> Result<T::Out, E> {
        Ok(self.0.scalar(Scalar::Null))
    }
    fn visit_bool<E>(self, value: bool) -> Result<T::Out, E> {
        Ok(self.0.scalar(Scalar::Bool(value)))
    }
    #[expect(
        clippy::cast_precision_loss,
        reason = "figures are floats; 2^53 counts of anything are beyond measuring"
    )]
    fn visit_i64<E>(self, value: i64) -> Result<T::Out, E> {
        Ok(self.0.scalar(Scalar::Number(value as f64)))
    }
    #[expect(clippy::cast_precision_loss, reason = "as above")]
    fn visit_u64<E>(self, value: u64) -> Result<T::Out, E> {
        Ok(self.0.scalar(Scalar::Number(value as f64)))
    }
    fn visit_f64<E>(self, value: f64) -> Result<T::Out, E> {
        Ok(self.0.scalar(Scalar::Number(value)))
    }
    fn visit_str<E>(self, value: &str) -> Result<T::Out, E> {
        Ok(self.0.scalar(Scalar::Text(value)))
    }
    fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<T::Out, A::Error> {
        self.0.list(list)
    }
    fn visit_map<A: MapAccess<'de>>(self, object: A) -> Result<T::Out, A::Error> {
        self.0.object(object)
    }
}

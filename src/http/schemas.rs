//! Schemas that the derive can't make.

use utoipa::openapi::schema::{ObjectBuilder, OneOfBuilder, SchemaType, Type};
use utoipa::openapi::{RefOr, Schema};

/// One of several objects, told apart by the member `tag`, whose value is the kind's name.
pub(super) fn tagged(tag: &str, kinds: &[(&str, RefOr<Schema>)]) -> RefOr<Schema> {
    let one = |(name, schema): &(&str, RefOr<Schema>)| {
        let mut object = match schema {
            RefOr::T(Schema::Object(object)) => object.clone(),
            _ => ObjectBuilder::new().build(),
        };
        let word = ObjectBuilder::new()
            .schema_type(SchemaType::new(Type::String))
            .enum_values(Some([name.to_owned()]))
            .build();
        object.properties.insert(tag.to_owned(), word.into());
        object.required.insert(0, tag.to_owned());
        Schema::Object(object)
    };
    let either = kinds.iter().fold(OneOfBuilder::new(), |builder, kind| builder.item(one(kind)));
    RefOr::T(Schema::OneOf(either.build()))
}

//! What all operations of a kind have in common: added once, so that nobody can forget it.

use utoipa::openapi::header::{Header, HeaderBuilder};
use utoipa::openapi::path::{Operation, Parameter, ParameterBuilder, ParameterIn, PathItem};
use utoipa::openapi::schema::{ArrayItems, KnownFormat, ObjectBuilder, SchemaFormat, SchemaType, Type};
use utoipa::openapi::{OpenApi as Document, Ref, RefOr, Required, Schema};

/// The document with what its operations have in common.
pub(super) fn complete(mut document: Document) -> Document {
    for (path, item) in &mut document.paths.paths {
        let PathItem { get, post, patch, delete, .. } = item;
        for operation in [&mut *get, &mut *post, &mut *patch, &mut *delete].into_iter().flatten() {
            names_its_path(operation, path);
            describes_its_answer(operation);
            is_summed_up(operation);
        }
        for operation in [&mut *post, patch, delete].into_iter().flatten() {
            answers_with_position(operation);
        }
        if let Some(operation) = post {
            takes_idempotency_key(operation);
        }
    }
    bodies_that_may_be_left_out(&mut document);
    name_items(&mut document);
    document
}

/// Every `{…_id}` of the path is a UUID.
fn names_its_path(operation: &mut Operation, path: &str) {
    let names = path.split('/').filter_map(|segment| segment.strip_prefix('{')?.strip_suffix('}'));
    let there = operation.parameters.get_or_insert_default();
    let known = |there: &[RefOr<Parameter>], name: &str| {
        there.iter().any(|parameter| matches!(parameter, RefOr::T(parameter) if parameter.name == name))
    };
    let missing: Vec<&str> = names.filter(|name| !known(there, name)).collect();
    let uuid = || {
        ObjectBuilder::new()
            .schema_type(SchemaType::new(Type::String))
            .format(Some(SchemaFormat::KnownFormat(KnownFormat::Uuid)))
    };
    let parameter = |name: &str| {
        let thing = name.strip_suffix("_id").unwrap_or(name).replace('_', " ");
        let parameter = ParameterBuilder::new().name(name).parameter_in(ParameterIn::Path);
        let parameter = parameter.description(Some(format!("The id of the {thing}")));
        RefOr::T(parameter.required(Required::True).schema(Some(uuid().build())).build())
    };
    let before = missing.into_iter().map(parameter);
    there.splice(0..0, before);
}

/// What is written over a handler is one text: its first sentence is what lists show, the whole is the description.
fn is_summed_up(operation: &mut Operation) {
    let Some(text) = operation.summary.take() else { return };
    let whole = match &operation.description {
        Some(rest) => format!("{text} {rest}"),
        None => text,
    };
    let whole = whole.replace('\n', " ");
    let ends = [". ", "? ", ": "].into_iter().filter_map(|end| whole.find(end));
    let first = whole.get(..ends.min().unwrap_or(whole.len())).unwrap_or(&whole).trim_end_matches(['.', '?']);
    operation.summary = Some(first.to_owned());
    operation.description = Some(whole);
}

/// A response must have a description: what was asked for is what comes.
fn describes_its_answer(operation: &mut Operation) {
    for (status, response) in &mut operation.responses.responses {
        if let RefOr::T(response) = response
            && response.description.is_empty()
        {
            let made = status == "201";
            response.description.push_str(if made { "It was made" } else { "As asked for" });
        }
    }
}

fn takes_idempotency_key(operation: &mut Operation) {
    let text = ObjectBuilder::new().schema_type(SchemaType::new(Type::String));
    let description = "Makes the request repeatable for a day: the same key and body are given the first answer, \
                       another body a 409. Scoped to caller and route.";
    let parameter = ParameterBuilder::new()
        .name("Idempotency-Key")
        .parameter_in(ParameterIn::Header)
        .required(Required::False)
        .description(Some(description))
        .schema(Some(text.min_length(Some(1)).max_length(Some(255)).pattern(Some("^[ -~]*$")).build()));
    operation.parameters.get_or_insert_default().push(RefOr::T(parameter.build()));
}

fn answers_with_position(operation: &mut Operation) {
    for (status, response) in &mut operation.responses.responses {
        if let RefOr::T(response) = response
            && status.starts_with('2')
        {
            response.headers.insert("Tollbook-Position".to_owned(), RefOr::T(position()));
        }
    }
}

fn position() -> Header {
    let number = ObjectBuilder::new().schema_type(SchemaType::new(Type::Integer)).minimum(Some(0));
    HeaderBuilder::new()
        .schema(Some(number.build()))
        .description(Some(
            "Where the write stands in the book: `min_position` for reads that must include it.",
        ))
        .build()
}

/// A body of which no member is required may be left out, but is no `null`.
fn bodies_that_may_be_left_out(document: &mut Document) {
    let Some(components) = &document.components else { return };
    for item in document.paths.paths.values_mut() {
        let body = item.post.as_mut().and_then(|operation| operation.request_body.as_mut());
        let Some(RefOr::T(body)) = body else { continue };
        let optional = body.content.values().any(|content| {
            let RefOr::T(content) = content else { return false };
            let Some(RefOr::Ref(schema)) = &content.schema else { return false };
            let name = schema.ref_location.rsplit('/').next().unwrap_or_default();
            matches!(components.schemas.get(name), Some(RefOr::T(Schema::Object(object))) if object.required.is_empty())
        });
        if optional {
            body.required = Some(Required::False);
        }
    }
}

/// The items of a page are named schemas, so that generated clients have one type for a thing.
fn name_items(document: &mut Document) {
    let Some(components) = &mut document.components else { return };
    let names: Vec<String> = components.schemas.keys().cloned().collect();
    for (name, schema) in &mut components.schemas {
        if let (Some(item), RefOr::T(Schema::Object(page))) = (name.strip_prefix("Page_"), schema)
            && names.iter().any(|name| name == item)
            && let Some(RefOr::T(Schema::Array(items))) = page.properties.get_mut("items")
        {
            items.items = ArrayItems::RefOrSchema(Box::new(Ref::from_schema_name(item).into()));
        }
    }
}

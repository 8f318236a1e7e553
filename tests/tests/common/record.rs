//! Everything that can be seen of messages, noted down on their way.

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body::{Body, Frame};
use http_body_util::BodyExt;
use std::{
    fmt,
    hash::{DefaultHasher, Hash, Hasher},
    net::SocketAddr,
    sync::{Arc, Mutex},
};

/// Notes down messages, in the order in which their heads come by, and their bodies as they are read.
#[derive(Clone, Default)]
pub(crate) struct Records(Arc<Mutex<Vec<Message>>>);

/// A request or a response: all that can be seen of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Message {
    /// `POST /path`, or `200 OK`, and the version.
    pub(crate) head: String,
    /// Sorted by name; without the date.
    pub(crate) headers: Fields,
    /// How long the body is to be, as far as its head tells.
    pub(crate) length: Option<u64>,
    /// Whether the body is over with the head.
    pub(crate) bodiless: bool,
    pub(crate) data: Data,
    pub(crate) trailers: Option<Fields>,
}

impl Message {
    /// The first header of that name.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.all(name).first().copied()
    }
}

/// Headers or trailers.
#[derive(Clone, Default, PartialEq, Eq)]
pub(crate) struct Fields(Vec<(String, String)>);

impl fmt::Debug for Fields {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fields = self.0.iter().map(|(name, value)| (name, value));
        f.debug_map().entries(fields).finish()
    }
}

impl Fields {
    fn of(map: &HeaderMap) -> Self {
        let fields = map.iter().filter(|(name, _)| *name != http::header::DATE);
        let text =
            |value: &http::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
        let mut fields: Vec<_> = fields
            .map(|(name, value)| (name.to_string(), text(value)))
            .collect();
        // By name alone: the order of equal names is a part of the message.
        fields.sort_by(|(a, _), (b, _)| a.cmp(b));
        Self(fields)
    }

    /// The values of that name.
    pub(crate) fn all(&self, name: &str) -> Vec<&str> {
        let fields = self.0.iter().filter(|(field, _)| field == name);
        fields.map(|(_, value)| value.as_str()).collect()
    }
}

/// The data of a body. How it was cut into frames is not a part of it.
#[derive(Clone, Default, PartialEq, Eq)]
pub(crate) struct Data(pub(crate) Vec<u8>);

impl fmt::Debug for Data {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut hasher = DefaultHasher::new();
        self.0.hash(&mut hasher);
        let begin = &self.0[..self.0.len().min(40)];
        let (length, hash) = (self.0.len(), hasher.finish());
        write!(f, "{length} bytes, hash {hash:x}: {}", begin.escape_ascii())
    }
}

impl Records {
    /// Notes down `req`.
    pub(crate) fn request<B>(
        &self,
        req: Request<B>,
    ) -> Request<impl Body<Data = Bytes, Error = B::Error> + use<B>>
    where
        B: Body<Data = Bytes>,
    {
        let head = format!("{} {} {:?}", req.method(), req.uri(), req.version());
        let at = self.begin(head, req.headers(), req.body());
        let records = self.clone();
        req.map(|body| body.inspect_frame(move |frame| records.frame(at, frame)))
    }

    /// Notes down `res`.
    pub(crate) fn response<B>(
        &self,
        res: Response<B>,
    ) -> Response<impl Body<Data = Bytes, Error = B::Error> + use<B>>
    where
        B: Body<Data = Bytes>,
    {
        let head = format!("{} {:?}", res.status(), res.version());
        let at = self.begin(head, res.headers(), res.body());
        let records = self.clone();
        res.map(|body| body.inspect_frame(move |frame| records.frame(at, frame)))
    }

    /// What has come by since the last time. The port in `address` is another one in every test, and replaced.
    pub(crate) fn take(&self, address: SocketAddr) -> Vec<Message> {
        let mut messages = std::mem::take(&mut *self.0.lock().unwrap());
        let address = address.to_string();
        for message in &mut messages {
            message.head = message.head.replace(&address, "server");
            for (_, value) in &mut message.headers.0 {
                *value = value.replace(&address, "server");
            }
        }
        messages
    }

    fn begin(&self, head: String, headers: &HeaderMap, body: &impl Body) -> usize {
        let mut messages = self.0.lock().unwrap();
        messages.push(Message {
            head,
            headers: Fields::of(headers),
            length: body.size_hint().exact(),
            bodiless: body.is_end_stream(),
            ..Message::default()
        });
        messages.len() - 1
    }

    fn frame(&self, at: usize, frame: &Frame<Bytes>) {
        let mut messages = self.0.lock().unwrap();
        let message = &mut messages[at];
        if let Some(data) = frame.data_ref() {
            message.data.0.extend_from_slice(data);
        }
        if let Some(trailers) = frame.trailers_ref() {
            message.trailers = Some(Fields::of(trailers));
        }
    }
}

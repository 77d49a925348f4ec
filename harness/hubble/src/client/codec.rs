//! Messages on the wire. A message that cannot be read does not end the stream.

use std::marker::PhantomData;

use prost::{DecodeError, Message};
use tonic::Status;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};

/// Sends one type of messages, and receives another, or the reason why one cannot be read.
pub(super) struct MessageCodec<S, R>(PhantomData<(S, R)>);

impl<S, R> Default for MessageCodec<S, R> {
    fn default() -> Self {
        Self(PhantomData)
    }
}

impl<S, R> Codec for MessageCodec<S, R>
where
    S: Message + 'static,
    R: Message + Default + 'static,
{
    type Encode = S;
    type Decode = Result<R, DecodeError>;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self::default()
    }

    fn decoder(&mut self) -> Self {
        Self::default()
    }
}

impl<S: Message, R> Encoder for MessageCodec<S, R> {
    type Item = S;
    type Error = Status;

    fn encode(&mut self, message: S, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        message.encode(buffer).map_err(|error| Status::internal(error.to_string()))
    }
}

impl<S, R: Message + Default> Decoder for MessageCodec<S, R> {
    type Item = Result<R, DecodeError>;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<Self::Item>, Status> {
        Ok(Some(R::decode(buffer)))
    }
}

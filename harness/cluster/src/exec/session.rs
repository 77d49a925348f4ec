//! Output streams that end with their exec session, however the session ends.
//!
//! When the connection of a session breaks, its streams stay open although nothing more arrives. The session's status
//! shows it: it is sent when the session ends and dropped when the connection breaks.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Shared};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Status;
use kube::api::AttachedProcess;
use tokio::io::{AsyncRead, ReadBuf};

/// The end of a session: its status; none if its connection broke.
pub(crate) type SessionEnd = Shared<BoxFuture<'static, Option<Status>>>;

/// A future that resolves when a process that was just started ends.
pub(crate) fn end(process: &mut AttachedProcess) -> SessionEnd {
    let status = process.take_status();
    async move { status?.await }.boxed().shared()
}

/// A stream that ends with its session at the latest.
pub(crate) struct SessionOutput<R> {
    stream: R,
    end: SessionEnd,
    over: bool,
}

impl<R> SessionOutput<R> {
    /// Wraps a stream of the session with this end.
    pub(crate) fn new(stream: R, end: SessionEnd) -> Self {
        Self { stream, end, over: false }
    }
}

impl<R: AsyncRead + Unpin> AsyncRead for SessionOutput<R> {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        to: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if let Poll::Ready(read) = Pin::new(&mut this.stream).poll_read(context, to) {
            return Poll::Ready(read);
        }
        if !this.over {
            ready!(this.end.poll_unpin(context));
            this.over = true;
        }
        // Everything written before the end has arrived; nothing more will.
        match Pin::new(&mut this.stream).poll_read(context, to) {
            Poll::Pending => Poll::Ready(Ok(())),
            read @ Poll::Ready(_) => read,
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::sync::oneshot;

    use super::*;

    /// A session with this written, whose end is then told or, without a status, broken off; what is read of it.
    async fn check(written: &str, status: Option<Status>, expected: &str) {
        let (reader, mut writer) = tokio::io::simplex(1024);
        let (tell, told) = oneshot::channel::<Status>();
        let end: SessionEnd = async { told.await.ok() }.boxed().shared();
        let mut output = SessionOutput::new(reader, end.clone());
        let mut first = [0];
        writer.write_all(b">").await.unwrap();
        output.read_exact(&mut first).await.unwrap();
        let reading = tokio::spawn(async move {
            let mut text = String::new();
            output.read_to_string(&mut text).await.map(|_| text)
        });
        // The reader waits, for the stream goes on.
        tokio::task::yield_now().await;
        writer.write_all(written.as_bytes()).await.unwrap();
        match status.clone() {
            Some(status) => tell.send(status).unwrap(),
            None => drop(tell),
        }
        assert_eq!(reading.await.unwrap().unwrap(), expected);
        assert_eq!(end.await, status);
        // The stream itself is still open, as that of a broken session.
        drop(writer);
    }

    #[tokio::test(start_paused = true)]
    async fn a_stream_ends_with_its_session() {
        let minute = std::time::Duration::from_mins(1);
        let all = async {
            check("", None, "").await;
            check("the last words", None, "the last words").await;
            check("the last words", Some(Status::default()), "the last words").await;
        };
        tokio::time::timeout(minute, all).await.expect("a stream goes on without its session");
    }
}

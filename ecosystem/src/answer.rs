//! [`answer`].

use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::{Body, Bytes};
use hyper::{Method, Request, Response, StatusCode};
use std::error::Error;

/// The most that a body may hold.
const BODY: usize = 1 << 20;

/// What the servers do that use hyper itself: a greeting at `/`, an echo of what is posted to
/// `/echo`.
///
/// # Errors
///
/// If the body of a request does not come: there is nobody to answer then.
///
/// ```
/// use hyper::{Request, StatusCode};
/// use netwheel_ecosystem::answer;
///
/// let request = Request::get("/").body(String::new())?;
/// let response = smol::block_on(answer(request)).map_err(|error| error.to_string())?;
/// assert_eq!(response.status(), StatusCode::OK);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub async fn answer<B>(
    request: Request<B>,
) -> Result<Response<Full<Bytes>>, Box<dyn Error + Send + Sync>>
where
    B: Body<Error: Into<Box<dyn Error + Send + Sync>>>,
{
    let (status, text) = match (request.method(), request.uri().path()) {
        (&Method::GET, "/") => (StatusCode::OK, Bytes::from_static(b"hello\n")),
        (&Method::POST, "/echo") => match Limited::new(request, BODY).collect().await {
            Ok(body) => (StatusCode::OK, body.to_bytes()),
            Err(error) if error.is::<LengthLimitError>() => {
                (StatusCode::PAYLOAD_TOO_LARGE, Bytes::new())
            }
            Err(error) => return Err(error),
        },
        _ => (StatusCode::NOT_FOUND, Bytes::new()),
    };
    Ok(Response::builder().status(status).body(Full::new(text))?)
}

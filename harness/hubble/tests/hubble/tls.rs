//! TLS: certificates of both sides, right and wrong.

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use tonic::transport::{Certificate, Identity as ServerIdentity, ServerTlsConfig};
use verdikt_hubble::client::{ClientCertificate, FlowServer, HubbleClient, Tls};

use crate::server::{Agent, LONG, Served};

const NAME: &str = "node1.default.hubble-grpc.cilium.io";

/// An authority.
struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    fn new(name: &str) -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    fn pem(&self) -> String {
        self.0.pem()
    }

    /// A certificate for a name, and its key.
    fn sign(&self, name: &str) -> ClientCertificate {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        let certificate = params.signed_by(&key, &self.0).unwrap().pem();
        ClientCertificate { certificate, key: key.serialize_pem() }
    }
}

/// A server with a certificate of this authority, that wants one of it too, if so.
async fn served(authority: &Authority, name: &str, wants: bool) -> Served {
    let own = authority.sign(name);
    let mut config = ServerTlsConfig::new().identity(ServerIdentity::from_pem(own.certificate, own.key));
    if wants {
        config = config.client_ca_root(Certificate::from_pem(authority.pem()));
    }
    Agent::new().serve(Some(config)).await
}

/// What the datapath does with a connection.
async fn connect(served: &Served, authority: &Authority, identity: Option<ClientCertificate>) -> String {
    let tls = Tls { authorities: authority.pem(), server_name: NAME.to_owned(), identity };
    let source = FlowServer::tcp("node1", &served.address.to_string()).with_tls(tls);
    let answer = async { HubbleClient::connect(&source, LONG).await?.server_status().await };
    match answer.await {
        Ok(status) => status.version,
        Err(error) => error.to_string().replace(&format!(":{}", served.address.port()), ":PORT"),
    }
}

#[tokio::test]
async fn the_server_proves_who_it_is() {
    let (authority, other) = (Authority::new("ours"), Authority::new("theirs"));
    let right = served(&authority, NAME, false).await;
    insta::assert_snapshot!(connect(&right, &authority, None).await, @"v1.20.0-test");
    insta::assert_snapshot!(connect(&right, &other, None).await, @"cannot connect to Hubble of node1 at 127.0.0.1:PORT: its certificate is not accepted (UnknownIssuer); it must be for `node1.default.hubble-grpc.cilium.io`, and signed by one of the given authorities");
    let elsewhere = served(&authority, "node2.default.hubble-grpc.cilium.io", false).await;
    insta::assert_snapshot!(connect(&elsewhere, &authority, None).await, @r#"cannot connect to Hubble of node1 at 127.0.0.1:PORT: its certificate is not accepted (certificate not valid for name "node1.default.hubble-grpc.cilium.io"; certificate is only valid for DnsName("node2.default.hubble-grpc.cilium.io")); it must be for `node1.default.hubble-grpc.cilium.io`, and signed by one of the given authorities"#);
}

#[tokio::test]
async fn the_client_proves_who_it_is() {
    let (authority, other) = (Authority::new("ours"), Authority::new("theirs"));
    let server = served(&authority, NAME, true).await;
    insta::assert_snapshot!(connect(&server, &authority, Some(authority.sign("client"))).await, @"v1.20.0-test");
    insta::assert_snapshot!(connect(&server, &authority, None).await, @"cannot connect to Hubble of node1 at 127.0.0.1:PORT: it wants a client certificate, and none was given");
    insta::assert_snapshot!(connect(&server, &authority, Some(other.sign("client"))).await, @"cannot connect to Hubble of node1 at 127.0.0.1:PORT: it does not accept the client certificate (UnknownCA); give one that the server's authority has signed");
}

#[tokio::test]
async fn what_is_no_tls() {
    let authority = Authority::new("ours");
    let plain = Agent::new().serve(None).await;
    insta::assert_snapshot!(connect(&plain, &authority, None).await, @"cannot connect to Hubble of node1 at 127.0.0.1:PORT: no TLS connection: received corrupt message of type InvalidContentType");
    let server = served(&authority, NAME, false).await;
    let source = FlowServer::tcp("node1", &server.address.to_string());
    let answer = async { HubbleClient::connect(&source, LONG).await?.server_status().await };
    let text = answer.await.unwrap_err().to_string();
    assert!(text.ends_with("; the port may be another program's, or want TLS"), "{text}");
    let nonsense = ClientCertificate { certificate: "no certificate".to_owned(), key: "no key".to_owned() };
    insta::assert_snapshot!(connect(&server, &authority, Some(nonsense)).await, @"cannot connect to Hubble of node1 at 127.0.0.1:PORT: Error parsing TLS private key - no RSA or PKCS8-encoded keys found.");
}

#[test]
fn keys_are_not_shown() {
    let identity = ClientCertificate { certificate: "certificate".to_owned(), key: "secret".to_owned() };
    let tls =
        Tls { authorities: String::new(), server_name: NAME.to_owned(), identity: Some(identity.clone()) };
    let shown = format!("{identity:?} {tls:?} {:?}", FlowServer::tcp("n", "a:1").with_tls(tls.clone()));
    assert!(!shown.contains("secret"), "{shown}");
}

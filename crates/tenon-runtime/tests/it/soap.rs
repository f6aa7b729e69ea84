//! The `soap` module against a described service.

use std::sync::Arc;

use serde_json::{Value, json};
use tenon_core::function::{FetchCall, HostCall, HostReply};

use crate::common::{TestHost, output, response, value};

const WSDL: &str = r#"<?xml version="1.0"?>
<wsdl:definitions xmlns:wsdl="http://schemas.xmlsoap.org/wsdl/" xmlns:soapbind="http://schemas.xmlsoap.org/wsdl/soap/" xmlns:hr="urn:hr" name="People">
  <wsdl:types><xsd:schema xmlns:xsd="http://www.w3.org/2001/XMLSchema" elementFormDefault="qualified" targetNamespace="urn:hr">
    <xsd:include schemaLocation="types.xsd"/>
    <xsd:element name="GetPeople"><xsd:complexType><xsd:sequence>
      <xsd:element name="Page" type="xsd:int"/><xsd:element name="Filter" type="hr:FilterType" minOccurs="0"/>
    </xsd:sequence></xsd:complexType></xsd:element>
    <xsd:element name="GetPeopleResponse"><xsd:complexType><xsd:sequence>
      <xsd:element name="Person" type="hr:PersonType" maxOccurs="unbounded"/><xsd:element name="Total" type="xsd:int"/><xsd:element name="More" type="xsd:boolean"/>
    </xsd:sequence></xsd:complexType></xsd:element>
  </xsd:schema></wsdl:types>
  <wsdl:types><schema xmlns="http://www.w3.org/2001/XMLSchema" targetNamespace="urn:auth"><element name="Auth"><complexType><sequence><element name="Key" type="string"/></sequence></complexType></element></schema></wsdl:types>
  <wsdl:message name="RateIn"><wsdl:part name="id" type="xs:string" xmlns:xs="http://www.w3.org/2001/XMLSchema"/><wsdl:part name="who" type="hr:FilterType"/></wsdl:message>
  <wsdl:message name="RateOut"><wsdl:part name="score" type="xs:int" xmlns:xs="http://www.w3.org/2001/XMLSchema"/></wsdl:message>
  <wsdl:message name="In"><wsdl:part name="body" element="hr:GetPeople"/></wsdl:message>
  <wsdl:message name="Out"><wsdl:part name="body" element="hr:GetPeopleResponse"/></wsdl:message>
  <wsdl:portType name="PeoplePort"><wsdl:operation name="GetPeople"><wsdl:input message="hr:In"/><wsdl:output message="hr:Out"/></wsdl:operation>
    <wsdl:operation name="Rate"><wsdl:input message="hr:RateIn"/><wsdl:output message="hr:RateOut"/></wsdl:operation></wsdl:portType>
  <wsdl:binding name="PeopleBinding" type="hr:PeoplePort"><soapbind:binding transport="http://schemas.xmlsoap.org/soap/http"/>
    <wsdl:operation name="GetPeople"><soapbind:operation soapAction="urn:get"/></wsdl:operation>
    <wsdl:operation name="Rate"><soapbind:operation soapAction="urn:rate" style="rpc"/><wsdl:input><soapbind:body use="literal" namespace="urn:rpc"/></wsdl:input></wsdl:operation></wsdl:binding>
  <wsdl:service name="PeopleService"><wsdl:port name="People" binding="hr:PeopleBinding"><soapbind:address location="https://hr.example.com/soap"/></wsdl:port></wsdl:service>
</wsdl:definitions>"#;

const TYPES: &str = r#"<schema xmlns="http://www.w3.org/2001/XMLSchema" xmlns:hr="urn:hr" elementFormDefault="qualified" targetNamespace="urn:hr">
  <complexType name="FilterType"><sequence><element name="Name" type="string"/></sequence></complexType>
  <complexType name="NamedType"><complexContent><extension base="hr:FilterType"><sequence><element name="Aliases" type="string" maxOccurs="unbounded"/></sequence></extension></complexContent></complexType>
  <complexType name="PersonType"><sequence><element name="Id" type="string"/><element name="Born" type="date" minOccurs="0"/></sequence><attribute name="kind" type="string"/></complexType>
</schema>"#;

const ANSWER: &str = r#"<?xml version="1.0"?><env:Envelope xmlns:env="http://schemas.xmlsoap.org/soap/envelope/"><env:Body>
<hr:GetPeopleResponse xmlns:hr="urn:hr"><hr:Person kind="full"><hr:Id>007</hr:Id><hr:Born>1970-01-01</hr:Born></hr:Person><hr:Total>1</hr:Total><hr:More>false</hr:More></hr:GetPeopleResponse>
</env:Body></env:Envelope>"#;

const FAULT: &str = r#"<e:Envelope xmlns:e="http://schemas.xmlsoap.org/soap/envelope/"><e:Body><e:Fault><faultcode>e:Client</faultcode><faultstring>no such page</faultstring><detail><d:Why xmlns:d="urn:d"><d:code>7</d:code></d:Why></detail></e:Fault></e:Body></e:Envelope>"#;

const NILS: &str = r#"<e:Envelope xmlns:e="http://schemas.xmlsoap.org/soap/envelope/" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"><e:Header><h:Session xmlns:h="urn:h"><h:id>9</h:id></h:Session></e:Header><e:Body>
<hr:GetPeopleResponse xmlns:hr="urn:hr"><hr:Person xsi:type="hr:NamedType"><hr:Name></hr:Name><hr:Aliases>x</hr:Aliases></hr:Person><hr:Total xsi:nil="true"/><hr:Extra/></hr:GetPeopleResponse></e:Body></e:Envelope>"#;

const RATED: &str = r#"<e:Envelope xmlns:e="http://schemas.xmlsoap.org/soap/envelope/"><e:Body><r:RateResponse xmlns:r="urn:rpc"><score>5</score></r:RateResponse></e:Body></e:Envelope>"#;

fn service(answer: &'static str) -> Arc<TestHost> {
    TestHost::new(move |call| match call {
        HostCall::UncontrolledFetch(FetchCall { url, method, .. }) => {
            match (method.as_str(), url.as_str()) {
                ("GET", "https://hr.example.com/people.wsdl") => response(200, "text/xml", WSDL),
                ("GET", "https://hr.example.com/types.xsd") => response(200, "text/xml", TYPES),
                ("POST", "https://hr.example.com/soap") => response(200, "text/xml", answer),
                _ => response(404, "text/plain", "not found"),
            }
        }
        _ => Ok(HostReply::Done),
    })
}

const CLIENT: &str = "const soap = require('soap'); const client = await soap.createClientAsync('https://hr.example.com/people.wsdl');";

#[tokio::test]
async fn an_operation_is_called_as_its_description_says() {
    let host = service(ANSWER);
    let body = format!(
        "{CLIENT} client.setSecurity(new soap.BasicAuthSecurity('u', 'p')); \
         const [result] = await client.GetPeopleAsync({{ Page: 1, Filter: {{ attributes: {{ 'hr:exact': true }}, Name: 'a<b' }} }}); \
         return [result, Object.keys(client.describe().PeopleService.People)]"
    );
    let seen = output(&body, Value::Null, host.clone()).await;
    assert_eq!(
        seen,
        json!([
            {"Person": [{"attributes": {"kind": "full"}, "Id": "007", "Born": "1970-01-01T00:00:00.000Z"}], "Total": 1, "More": false},
            ["GetPeople", "Rate"]
        ])
    );
    let calls = host.calls();
    let Some(HostCall::UncontrolledFetch(request)) = calls.last() else {
        panic!("a request: {calls:?}");
    };
    assert!(
        request
            .headers
            .contains(&("SOAPAction".into(), "\"urn:get\"".into()))
    );
    assert!(
        request
            .headers
            .contains(&("Authorization".into(), "Basic dTpw".into()))
    );
    let sent = String::from_utf8(request.body.clone().unwrap().to_vec()).unwrap();
    assert!(
        sent.contains("<soap:Body><GetPeople xmlns=\"urn:hr\"><Page xmlns=\"urn:hr\">1</Page><Filter xmlns=\"urn:hr\" hr:exact=\"true\"><Name xmlns=\"urn:hr\">a&lt;b</Name></Filter></GetPeople></soap:Body>"),
        "{sent}"
    );
    assert!(sent.contains("xmlns:hr=\"urn:hr\""));
}

#[tokio::test]
async fn a_fault_is_an_error() {
    let body = format!(
        "{CLIENT} try {{ await client.GetPeopleAsync({{}}) }} catch (error) {{ return [error.message, error.root.Envelope.Body.Fault.faultstring, error.response.status, error.body.length > 0] }}"
    );
    assert_eq!(
        output(&body, Value::Null, service(FAULT)).await,
        json!([
            "e:Client: no such page: {\"Why\":{\"code\":\"7\"}}",
            "no such page",
            200,
            true
        ])
    );
}

#[tokio::test]
async fn a_document_type_is_refused() {
    let bomb = "<!DOCTYPE x [<!ENTITY a \"aaaa\">]><x>&a;</x>";
    let body = format!(
        "{CLIENT} try {{ await client.GetPeopleAsync({{}}) }} catch (error) {{ return error.message }}"
    );
    let seen = output(&body, Value::Null, service(bomb)).await;
    assert!(seen.as_str().unwrap().contains("document type"), "{seen}");
}

fn sent(host: &TestHost) -> String {
    let calls = host.calls();
    let Some(HostCall::UncontrolledFetch(request)) = calls.last() else {
        panic!("a request: {calls:?}");
    };
    String::from_utf8(request.body.clone().unwrap().to_vec()).unwrap()
}

/// What node-soap 1.1.2 answers for the same description and answers.
#[tokio::test]
async fn an_answer_is_read_as_the_published_package_reads_it() {
    let body = format!(
        "{CLIENT} const [result,, header] = await client.GetPeopleAsync({{}}); return [result, header]"
    );
    assert_eq!(
        output(&body, Value::Null, service(NILS)).await,
        json!([
            {"Person": [{"attributes": {"xsi:type": "hr:NamedType"}, "Name": "", "Aliases": ["x"]}], "Extra": null},
            {"Session": {"id": "9"}}
        ])
    );
    let body = "const soap = require('soap'); const client = await soap.createClientAsync('https://hr.example.com/people.wsdl', { handleNilAsNull: true }); \
                return (await client.GetPeopleAsync({}))[0].Total";
    assert_eq!(output(body, Value::Null, service(NILS)).await, Value::Null);
}

#[tokio::test]
async fn a_description_can_be_looked_at() {
    let body = format!("{CLIENT} return client.describe().PeopleService.People");
    assert_eq!(
        output(&body, Value::Null, service(ANSWER)).await,
        json!({
            "GetPeople": {
                "input": {"Page": "xsd:int", "Filter": {"Name": "string", "targetNSAlias": "hr", "targetNamespace": "urn:hr"}},
                "output": {
                    "Person[]": {"Id": "string", "Born": "date", "targetNSAlias": "hr", "targetNamespace": "urn:hr"},
                    "Total": "xsd:int", "More": "xsd:boolean"
                }
            },
            "Rate": {
                "input": {"id": "xs:string", "who": {"Name": "string", "targetNSAlias": "hr", "targetNamespace": "urn:hr"}},
                "output": {"score": "xs:int"}
            }
        })
    );
}

#[tokio::test]
async fn headers_and_named_types_are_qualified() {
    let host = service(ANSWER);
    let body = format!(
        "{CLIENT} client.addSoapHeader({{ Auth: {{ Key: 'k' }} }}); client.addSoapHeader('<raw/>'); client.addSoapHeader(() => ({{ token: 1 }}), 'Late', 'urn:late'); \
         const seen = []; client.on('request', (xml) => seen.push(xml.length > 0)); client.on('response', (text) => seen.push(typeof text)); \
         await client.GetPeopleAsync({{ Filter: {{ attributes: {{ 'xsi:type': 'hr:NamedType' }}, Name: 'n', Aliases: ['a', 'b'] }} }}); \
         return [seen, client.lastEndpoint, client.lastRequest.includes('<raw/>'), client.getSoapHeaders().length]"
    );
    assert_eq!(
        output(&body, Value::Null, host.clone()).await,
        json!([[true, "string"], "https://hr.example.com/soap", true, 3])
    );
    let sent = sent(&host);
    for part in [
        r#"<soap:Header><Auth xmlns="urn:auth"><Key xmlns="">k</Key></Auth><raw/><Late xmlns="urn:late"><token>1</token></Late></soap:Header>"#,
        r#"<Filter xmlns="urn:hr" xsi:type="hr:NamedType"><Name xmlns="urn:hr">n</Name><Aliases xmlns="urn:hr">a</Aliases><Aliases xmlns="urn:hr">b</Aliases></Filter>"#,
    ] {
        assert!(sent.contains(part), "{sent}\n{part}");
    }
}

#[tokio::test]
async fn operations_of_style_rpc_wrap_their_parts() {
    let host = service(RATED);
    let body =
        format!("{CLIENT} return (await client.RateAsync({{ id: '1', who: {{ Name: 'n' }} }}))[0]");
    assert_eq!(
        output(&body, Value::Null, host.clone()).await,
        json!({"score": 5})
    );
    let sent = sent(&host);
    let part = r#"<Rate xmlns="urn:rpc"><id xmlns="">1</id><who xmlns=""><Name xmlns="urn:hr">n</Name></who></Rate>"#;
    assert!(sent.contains(part), "{sent}");
}

#[tokio::test]
async fn an_answer_that_is_not_soap_is_an_error_with_the_answer() {
    for (answer, message) in [
        (
            "<html><body>bad gateway</body></html>",
            "its root is 'html'",
        ),
        ("oops", "The XML"),
    ] {
        let body = format!(
            "{CLIENT} try {{ await client.GetPeopleAsync({{}}) }} catch (error) {{ return [error.message, error.body] }}"
        );
        let seen = output(&body, Value::Null, service(answer)).await;
        let told = seen[0].as_str().unwrap();
        assert!(
            told.starts_with("Cannot parse response") && told.contains(message),
            "{told}"
        );
        assert_eq!(seen[1], answer);
    }
}

#[tokio::test]
async fn what_cannot_be_had_here_says_so() {
    let body = "const soap = require('soap'); try { new soap.WSSecurityCert() } catch (error) { return [error.message, typeof soap.security.WSSecurity] }";
    assert_eq!(
        value(body).await,
        json!([
            "WSSecurityCert is not available in functions: there are BasicAuthSecurity, BearerSecurity and WSSecurity",
            "function"
        ])
    );
}

//! The `soap` module against a described service.

use std::sync::Arc;

use serde_json::{Value, json};
use tenon_core::function::{FetchCall, HostCall, HostReply};

use crate::common::{TestHost, output, response};

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
  <wsdl:message name="In"><wsdl:part name="body" element="hr:GetPeople"/></wsdl:message>
  <wsdl:message name="Out"><wsdl:part name="body" element="hr:GetPeopleResponse"/></wsdl:message>
  <wsdl:portType name="PeoplePort"><wsdl:operation name="GetPeople"><wsdl:input message="hr:In"/><wsdl:output message="hr:Out"/></wsdl:operation></wsdl:portType>
  <wsdl:binding name="PeopleBinding" type="hr:PeoplePort"><soapbind:binding transport="http://schemas.xmlsoap.org/soap/http"/>
    <wsdl:operation name="GetPeople"><soapbind:operation soapAction="urn:get"/></wsdl:operation></wsdl:binding>
  <wsdl:service name="PeopleService"><wsdl:port name="People" binding="hr:PeopleBinding"><soapbind:address location="https://hr.example.com/soap"/></wsdl:port></wsdl:service>
</wsdl:definitions>"#;

const TYPES: &str = r#"<schema xmlns="http://www.w3.org/2001/XMLSchema" xmlns:hr="urn:hr" elementFormDefault="qualified" targetNamespace="urn:hr">
  <complexType name="FilterType"><sequence><element name="Name" type="string"/></sequence></complexType>
  <complexType name="PersonType"><sequence><element name="Id" type="string"/><element name="Born" type="date" minOccurs="0"/></sequence><attribute name="kind" type="string"/></complexType>
</schema>"#;

const ANSWER: &str = r#"<?xml version="1.0"?><env:Envelope xmlns:env="http://schemas.xmlsoap.org/soap/envelope/"><env:Body>
<hr:GetPeopleResponse xmlns:hr="urn:hr"><hr:Person kind="full"><hr:Id>007</hr:Id><hr:Born>1970-01-01</hr:Born></hr:Person><hr:Total>1</hr:Total><hr:More>false</hr:More></hr:GetPeopleResponse>
</env:Body></env:Envelope>"#;

const FAULT: &str = r#"<e:Envelope xmlns:e="http://schemas.xmlsoap.org/soap/envelope/"><e:Body><e:Fault><faultcode>e:Client</faultcode><faultstring>no such page</faultstring></e:Fault></e:Body></e:Envelope>"#;

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
            ["GetPeople"]
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
        "{CLIENT} try {{ await client.GetPeopleAsync({{}}) }} catch (error) {{ return [error.message, error.Fault.faultstring] }}"
    );
    assert_eq!(
        output(&body, Value::Null, service(FAULT)).await,
        json!(["e:Client: no such page", "no such page"])
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

// What the settings page of an environment shows while colours are chosen: a form of nobody, which connects nothing.

const LOGO = `data:image/svg+xml,${encodeURIComponent('<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 48 48"><rect width="48" height="48" rx="10" fill="#85807a"/><circle cx="24" cy="24" r="11" fill="#fff"/></svg>')}`;
const INTEGRATION = { unique_key: 'example', provider: 'example', display_name: 'Example', logo: LOGO };
const SUBDOMAIN = { title: 'Subdomain', suffix: '.example.com', order: 1 };

/** Shows the form with these settings; the page hands over its own parts. */
export function show(settings, { page, session, showForm, showSuccess }) {
  Object.assign(session, {
    data: { connectUISettings: settings }, list: [INTEGRATION], integration: INTEGRATION,
    provider: { auth_mode: 'API_KEY', connection_config: { subdomain: SUBDOMAIN } },
  });
  page.preview = () => showSuccess({});
  showForm();
}

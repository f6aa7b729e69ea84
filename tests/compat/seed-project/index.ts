import './zendesk/syncs/tickets.js';
import './zendesk/actions/create-ticket.js';

// One import per function. `tenon dev` and `tenon deploy` start here.
import './helpdesk/syncs/tickets.js';
import './helpdesk/actions/create-ticket.js';

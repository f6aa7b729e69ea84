// One import per function; what is not imported here is not deployed.
import './bookshop/syncs/orders.js';
import './bookshop/actions/create-order.js';

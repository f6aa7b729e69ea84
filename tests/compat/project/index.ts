import './github/syncs/issues.js';
import './github/actions/create-issue.js';

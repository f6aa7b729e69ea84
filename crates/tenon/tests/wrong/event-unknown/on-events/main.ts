import { createOnEvent } from 'nango';

export default createOnEvent({
    description: 'Says hello',
    event: 'connected' as any, //~ 5 `event` is one of post-connection-creation, pre-connection-deletion, validate-connection
    exec: async () => {}
});

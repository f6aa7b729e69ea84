import { createOnEvent } from 'nango';

const onEvent = createOnEvent({
    description: 'Says in one line what happens',
    version: '1.0.0',
    // Or 'validate-connection', 'pre-connection-deletion'.
    event: 'post-connection-creation',
    exec: async (nango) => {
        await nango.log('__NAME__');
    }
});

export type NangoEventLocal = Parameters<(typeof onEvent)['exec']>[0];
export default onEvent;

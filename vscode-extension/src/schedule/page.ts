/** The schedule view's page: the same in a webview and as served by `hvdap trace view`. */
document.title = 'Schedule';

using System.ComponentModel.DataAnnotations;
using System.Text.Json.Serialization;

namespace LmKit;

/// <summary>How many requests run at a time, how long they may take, and what is done when they fail.</summary>
public class RequestOptions
{
    /// <summary>Requests at a time. Default 8; halved whenever the client says that there are too many, and raised again by one after
    /// 50 that succeed.</summary>
    [Range(1, 4096)]
    public int MaxConcurrency { get; set; } = 8;

    /// <summary>Requests for one item before it counts as failed. Default 6.</summary>
    [Range(1, 100)]
    public int MaxAttempts { get; set; } = 6;

    /// <summary>Seconds that a request may take. Default 120.</summary>
    [Range(0.001, 86400.0)]
    public double RequestTimeoutSeconds { get; set; } = 120;

    /// <summary>Whether items that failed in an earlier run are tried again. Default false.</summary>
    public bool RetriesFailed { get; set; }

    /// <summary>Largest share of failures among the last 200 items; beyond it the run stops. Default 0.2; 1 never stops.</summary>
    [Range(0.0, 1.0)]
    public double MaxFailureRate { get; set; } = 0.2;

    /// <summary>Tells the status code of a client's own exception, where it is neither an HttpRequestException nor has a Status. None by default.</summary>
    [JsonIgnore]
    public Func<Exception, int?>? StatusOf { get; set; }

    /// <summary>Tells how long a failed client asks to wait (Retry-After). None by default.</summary>
    [JsonIgnore]
    public Func<Exception, TimeSpan?>? RetryAfter { get; set; }
}

using System.Reflection;
using System.Runtime.CompilerServices;

namespace LmKit.Core.Tests;

/// <summary>The verbs of builders and services refuse a missing receiver by its name.</summary>
public sealed class NullArgumentTests
{
    public static TheoryData<string> Verbs => [.. All.Keys];

    private static SortedDictionary<string, MethodInfo> All => new(
        (from type in typeof(LanguageModelBuilder).Assembly.GetExportedTypes()
         from method in type.GetMethods(BindingFlags.Public | BindingFlags.Static | BindingFlags.DeclaredOnly)
         where method.IsDefined(typeof(ExtensionAttribute)) && !method.GetParameters()[0].ParameterType.IsValueType && method.DeclaringType != typeof(LanguageModelChat) // which has two that must be there
         select method).ToDictionary(method => $"{method.DeclaringType!.Name}.{method}"));

    [Theory]
    [MemberData(nameof(Verbs))]
    public void A_verb_without_its_receiver_is_refused(string verb)
    {
        var method = All[verb];
        if (method.IsGenericMethodDefinition)
            method = method.MakeGenericMethod([.. method.GetGenericArguments().Select(_ => typeof(object))]);
        var arguments = method.GetParameters().Select(parameter => parameter.ParameterType.IsValueType ? Activator.CreateInstance(parameter.ParameterType) : null).ToArray();
        arguments[0] = null;

        var error = Assert.Throws<TargetInvocationException>(() => method.Invoke(null, arguments)).InnerException;

        Assert.Equal(method.GetParameters()[0].Name, Assert.IsType<ArgumentNullException>(error).ParamName);
    }
}
